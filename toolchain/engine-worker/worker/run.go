package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi/cmd"
	"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi/operations"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/spf13/cobra"
)

// request asks for one run of `pulumi ARGS`. Env is the whole environment; Stdout and Stderr are files to make.
type request struct {
	Args   []string          `json:"args"`
	Cwd    string            `json:"cwd"`
	Env    map[string]string `json:"env"`
	Stdout string            `json:"stdout"`
	Stderr string            `json:"stderr"`
}

// answer tells how a run ended: the exit code that the CLI would have had, and the memory of this process now.
// After a panic this process is not to be used again.
type answer struct {
	Code  int  `json:"code"`
	Panic bool `json:"panic"`
	RSSKB int  `json:"rss_kb"`
}

func (r request) run() (result answer) {
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", cause, debug.Stack())
			result = answer{Code: cmd.ExitInternalError, Panic: true}
		}
		result.RSSKB = residentKB()
	}()
	if err := r.prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return answer{Code: cmd.ExitInternalError}
	}
	root := newRootCommand()
	root.SetArgs(r.Args)
	err := root.Execute()
	if err != nil {
		cmd.DisplayErrorMessage(root.Context(), err, root.ErrOrStderr())
	}
	return answer{Code: cmd.ExitCodeFor(err)}
}

// prepare makes this process look like one that was just started for the request.
func (r request) prepare() error {
	if err := redirect(r.Stdout, os.Stdout); err != nil {
		return err
	}
	if err := redirect(r.Stderr, os.Stderr); err != nil {
		return err
	}
	os.Clearenv()
	for name, value := range r.Env {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("environment variable %q: %w", name, err)
		}
	}
	return os.Chdir(r.Cwd)
}

// newRootCommand makes `pulumi` with the operations that a worker is for. Commands keep what their flags were set
// to, so every run needs new ones.
func newRootCommand() *cobra.Command {
	var color string
	root := &cobra.Command{
		Use:           "pulumi",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return cmdutil.SetGlobalColorization(color)
		},
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&cmdutil.DisableInteractive, "non-interactive", false, "Disable interactive mode")
	flags.StringVar(&color, "color", "auto", "Colorize output: always, never, raw, auto")
	root.AddCommand(
		operations.NewUpCmd(),
		operations.NewDestroyCmd(),
		operations.NewPreviewCmd(),
		operations.NewRefreshCmd(),
	)
	return root
}

func residentKB() int {
	statistics, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(string(bytes.Fields(statistics)[1]))
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize() / 1024
}
