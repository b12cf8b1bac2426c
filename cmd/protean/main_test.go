package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"

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

// untilPrompt runs a command until it prints how to stop it, calls during, and stops the command.
func untilPrompt(t *testing.T, during func(), args ...string) (stdout string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	r, w := io.Pipe()
	printed := make(chan string, 1)
	go func() {
		buffer := make([]byte, 64<<10)
		var text strings.Builder
		for {
			n, err := r.Read(buffer)
			text.Write(buffer[:n])
			if err != nil || strings.Contains(text.String(), "Stop with Ctrl-C") {
				break
			}
		}
		during()
		cancel()
		_, _ = io.Copy(io.Discard, r)
		printed <- text.String()
	}()
	var stderr bytes.Buffer
	none := func(string) string { return "" }
	code := run(ctx, args, none, w, &stderr)
	w.Close()
	if code != exitFine || stderr.Len() > 0 {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
	return <-printed
}

// TestDemo runs the demo until it says what to try, and then ends it.
func TestDemo(t *testing.T) {
	untilPrompt(t, func() {}, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
}

// TestDemoServices starts the services at the addresses of examples/shop.yaml and serves that file as it is, but for the
// gateway's own addresses. The query that GraphiQL starts with joins two services.
func TestDemoServices(t *testing.T) {
	for _, port := range []string{"50051", "50052", "50053"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Skipf("port %s of examples/shop.yaml is in use: %v", port, err)
		}
		l.Close()
	}
	untilPrompt(t, func() {
		config, err := gateway.ReadConfig("../../examples/shop.yaml")
		if err != nil {
			t.Error(err)
			return
		}
		config.Listen, config.Admin = proto.String("127.0.0.1:0"), proto.String("off")
		g, err := gateway.New(config.Config, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			return
		}
		if err := g.Listen(t.Context()); err != nil {
			t.Error(err)
			return
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx, nil) }()
		<-g.Ready()
		runExample(t, "http://"+g.Addr()+g.GraphQLPath())
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}, "demo", "--services-only")
}

// runExample runs the query that GraphiQL starts with.
func runExample(t *testing.T, at string) {
	t.Helper()
	query := get(t, at+"?graphiql=example.graphql")
	answer := get(t, at+"?query="+url.QueryEscape(query))
	if strings.Contains(answer, `"errors"`) || !strings.Contains(answer, `"catalogEntry":{"name"`) || !strings.Contains(answer, `"writtenBy":{`) {
		t.Errorf("%s\nanswers %s", query, answer)
	}
}

func get(t *testing.T, at string) string {
	t.Helper()
	answer, err := http.Get(at) //nolint:gosec // an address of this test's own gateway
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
