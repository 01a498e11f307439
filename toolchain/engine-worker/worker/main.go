// Command pulumi-engine-worker runs Pulumi operations one after another in one process.
//
// A fresh CLI process for every operation spends most of its time on starting and on deriving the key from the
// passphrase; a process that stays has both behind it. The engine and its commands are Pulumi's own, unchanged.
//
// Standard input brings one request a line, standard output gets one answer a line, both JSON. The worker ends,
// and takes along what it started, when its standard input is closed or it gets SIGTERM: its parent's death
// closes the input, however the parent dies.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/mitchellh/go-ps"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
)

// After this long without a request, memory that was used for earlier ones is given back to the system.
const idle = time.Second

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(version.Version)
		return
	}
	log.SetOutput(io.Discard) // the CLI keeps what libraries log to its log file, too
	input, output, err := takeStandardStreams()
	if err != nil {
		exitWithChildren(err)
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() {
		<-terminated
		exitWithChildren(nil)
	}()
	requests := make(chan request)
	go read(input, requests)
	serve(requests, json.NewEncoder(output))
}

// takeStandardStreams moves the parent's two pipes out of the way of what runs here, which must neither read from
// the one nor write into the other.
func takeStandardStreams() (input, output *os.File, err error) {
	in, err := duplicate(os.Stdin)
	if err != nil {
		return nil, nil, err
	}
	out, err := duplicate(os.Stdout)
	if err != nil {
		return nil, nil, err
	}
	return in, out, redirect(os.DevNull, os.Stdin, os.Stdout)
}

// read passes the requests on. It stays at it while one runs, so that the end of the input is noticed at once.
func read(input io.Reader, requests chan<- request) {
	decoder := json.NewDecoder(input)
	for {
		var next request
		switch err := decoder.Decode(&next); err {
		case nil:
			requests <- next
		case io.EOF:
			exitWithChildren(nil)
		default:
			exitWithChildren(fmt.Errorf("unreadable request: %w", err))
		}
	}
}

func serve(requests <-chan request, answers *json.Encoder) {
	for {
		var next request
		select {
		case next = <-requests:
		case <-time.After(idle):
			debug.FreeOSMemory()
			next = <-requests
		}
		if err := answers.Encode(next.run()); err != nil {
			exitWithChildren(fmt.Errorf("the answer cannot be written: %w", err))
		}
	}
}

// exitWithChildren ends this process and its provider plugins, which would outlive it for minutes.
func exitWithChildren(cause error) {
	processes, err := ps.Processes()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-engine-worker:", err)
	}
	for _, process := range processes {
		if process.PPid() == os.Getpid() {
			_ = syscall.Kill(process.Pid(), syscall.SIGKILL)
		}
	}
	if cause != nil {
		fmt.Fprintln(os.Stderr, "pulumi-engine-worker:", cause)
		os.Exit(1)
	}
	os.Exit(0)
}
