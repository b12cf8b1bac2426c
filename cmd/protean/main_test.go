package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/protean-gateway/protean/examples"
	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// TestCommands runs the scripts in testdata with this binary as `protean`, the
// example services at $CATALOG, $ORDERS and $TRACKING, and a gateway without backends whose
// admin address is in $PROTEAN_ADMIN.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"digest": setDigest, "exitcode": exitCode, "explain-backend": explainBackend,
		},
		Setup: func(env *testscript.Env) error {
			shop, err := examples.Start(context.Background())
			if err != nil {
				return err
			}
			env.Defer(shop.Stop)
			for _, b := range shop.Backends {
				env.Setenv(strings.ToUpper(b.Name), b.Address)
			}
			return startEmptyGateway(env)
		},
	})
}

var printedDigest = regexp.MustCompile(`"digest": "([0-9a-f]{64})"`)

// setDigest sets a variable to the first digest that the last command printed as JSON: digest NAME.
func setDigest(ts *testscript.TestScript, _ bool, args []string) {
	found := printedDigest.FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil || len(args) != 1 {
		ts.Fatalf("there is no digest for %q", args)
	}
	ts.Setenv(args[0], found[1])
}

// exitCode runs a command that must end with a code: exitcode CODE COMMAND ARGUMENTS.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exitcode CODE COMMAND ARGUMENTS")
	}
	code := exitFine
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = failed.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s ended with %d", strings.Join(args[1:], " "), code)
	}
}

// explainBackend checks which backend serves the catalog: explain-backend NAME.
func explainBackend(ts *testscript.TestScript, _ bool, args []string) {
	if err := ts.Exec("protean", "explain", "--running", "acme.catalog.v1.CatalogService/GetBook", "--output", "json"); err != nil {
		ts.Fatalf("%v", err)
	}
	if out := ts.ReadFile("stdout"); !strings.Contains(out, `"backend": "`+args[0]+`"`) {
		ts.Fatalf("it is not %s that serves the catalog: %s", args[0], out)
	}
}

// startEmptyGateway starts a gateway for teams to register with.
func startEmptyGateway(env *testscript.Env) error {
	none := "127.0.0.1:0"
	g, err := gateway.New(&configv1.Config{Listen: &none, Admin: &none, State: &env.WorkDir}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := g.Listen(context.Background()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, nil) }()
	env.Defer(func() {
		cancel()
		if err := <-ended; err != nil {
			env.T().Fatal(err)
		}
	})
	env.Setenv("PROTEAN_ADMIN", g.AdminAddr())
	return nil
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"protean": main})
}

// TestDemo runs the demo until it says what to try, and then ends it.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, w := io.Pipe()
	go func() {
		buffer := make([]byte, 64<<10)
		var said strings.Builder
		for {
			n, err := r.Read(buffer)
			said.Write(buffer[:n])
			if err != nil || strings.Contains(said.String(), "Stop with Ctrl-C") {
				break
			}
		}
		cancel()
		_, _ = io.Copy(io.Discard, r)
	}()
	var stderr bytes.Buffer
	none := func(string) string { return "" }
	code := run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, none, w, &stderr)
	w.Close()
	if code != exitFine || stderr.Len() > 0 {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
}
