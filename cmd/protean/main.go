// Protean is a gateway: it reads the descriptors of gRPC services at run time and
// serves every service as REST, GraphQL and gRPC.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitFine     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3 // by the compatibility check
)

// run carries out one command line and returns its exit code. It ends early,
// and in order, when ctx does.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	root := rootCommand(getenv)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	var usage *usageError
	switch {
	case errors.Is(err, errReported):
		return exitFailed
	case errors.Is(err, errRejected):
		return exitRejected
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "protean: %v\n", err)
		if usage.command != nil {
			fmt.Fprintf(stderr, "Run `%s --help` for what can be said.\n", usage.command.CommandPath())
		}
		return exitUsage
	default:
		fmt.Fprintf(stderr, "protean: %v\n", err)
		return exitFailed
	}
}

// errReported ends a command that has already said what is wrong.
var errReported = errors.New("reported")

// errRejected ends a command that has printed why the compatibility check rejects its change.
var errRejected = errors.New("rejected by the compatibility check")

// usageError is a command line that cannot be carried out as it stands.
type usageError struct {
	command *cobra.Command
	reason  string
}

func (e *usageError) Error() string { return e.reason }

func usagef(command *cobra.Command, format string, args ...any) error {
	return &usageError{command: command, reason: fmt.Sprintf(format, args...)}
}

func rootCommand(getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:   "protean",
		Short: "A gateway from REST and GraphQL to gRPC, without generated code",
		Long: `Protean reads what gRPC services can do from the services themselves, while
it runs, and serves each of them as REST with JSON, as one GraphQL graph with
subscriptions, and as gRPC. A service that changes is served anew within
seconds; nothing is generated and nothing restarts.

To see it work, with three example services:

  protean demo

To serve your own, which need nothing but server reflection:

  protean serve localhost:50051

Every flag can be given in the environment too, as PROTEAN_ and its name in
capitals (PROTEAN_LISTEN for --listen), and most in a file (--config). A flag goes
before the environment, and the environment before the file.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		serveCommand(getenv),
		demoCommand(getenv),
		checkCommand(getenv),
		routesCommand(getenv),
		sdlCommand(getenv),
		explainCommand(getenv),
		openAPICommand(getenv),
		registerCommand(getenv),
		diffCommand(getenv),
		revisionsCommand(getenv),
		rollbackCommand(getenv),
		unregisterCommand(getenv),
		backendsCommand(getenv),
		policiesCommand(getenv),
		versionCommand(),
	)
	wrapUsage(root)
	return root
}

// wrapUsage makes every complaint about flags and arguments a usage error.
func wrapUsage(c *cobra.Command) {
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef(cmd, "%v", err)
	})
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usagef(cmd, "%v", err)
			}
			return nil
		}
	}
	for _, child := range c.Commands() {
		wrapUsage(child)
	}
}
