package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	maxMessageBytes = 400 << 20 // what Pulumi's own engine and providers allow
	healthInterval  = 5 * time.Second
	healthTimeout   = 10 * time.Second
)

// provider is a running provider process.
type provider struct {
	connection *grpc.ClientConn
	process    *os.Process
	ended      chan error
}

// startProvider starts a provider that takes engine, an address, for the engine that it tells what it does.
func startProvider(ctx context.Context, executable, engine string) (*provider, error) {
	command := exec.Command(executable)
	command.Stderr = os.Stderr
	// The kernel ends the provider when this process ends, however it ends.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	command.Stdout = write
	ended := make(chan error, 1)
	started := make(chan error)
	go func() {
		// The signal is bound to the thread that started the process, so that thread has to stay.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			ended <- fmt.Errorf("the provider ended: %s", command.ProcessState)
		}
	}()
	err = <-started
	_ = write.Close() // so that the output ends with the provider
	if err != nil {
		return nil, err
	}
	p := &provider{process: command.Process, ended: ended}
	if err := p.connect(ctx, bufio.NewReader(output), engine); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w", executable, err)
	}
	return p, nil
}

// connect waits until the provider prints its port, which comes first on its output.
func (p *provider) connect(ctx context.Context, output *bufio.Reader, engine string) error {
	line, err := output.ReadString('\n')
	if err != nil {
		return fmt.Errorf("it ended without printing a port: %w", err)
	}
	go func() { _, _ = io.Copy(io.Discard, output) }() // a full pipe would stop the provider
	port, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return fmt.Errorf("it printed %q in place of a port", strings.TrimSpace(line))
	}
	p.connection, err = grpc.NewClient(
		fmt.Sprintf("127.0.0.1:%d", port),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes),
		),
	)
	if err != nil {
		return err
	}
	client := pulumirpc.NewResourceProviderClient(p.connection)
	_, err = client.Attach(ctx, &pulumirpc.PluginAttach{Address: engine}, grpc.WaitForReady(true))
	return err
}

// watch returns when the provider does not answer in time.
func (p *provider) watch() error {
	client := pulumirpc.NewResourceProviderClient(p.connection)
	for {
		time.Sleep(healthInterval)
		ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
		_, err := client.GetPluginInfo(ctx, &emptypb.Empty{})
		cancel()
		if err != nil {
			return fmt.Errorf("the provider does not answer: %w", err)
		}
	}
}

func (p *provider) stop() {
	if p.connection != nil {
		_ = p.connection.Close()
	}
	_ = p.process.Kill()
}
