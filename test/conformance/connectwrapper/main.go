// Connectwrapper stands between connectconformance and the gateway: it reads what
// kind of server the suite wants, starts the suite's own server as a backend with gRPC and
// the gateway before it, and answers where the gateway listens. It ends on SIGTERM.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

var (
	gateway = flag.String("gateway", "", "the binary of the gateway")
	backend = flag.String("backend", "", "the binary of the suite's server")
	protos  = flag.String("proto", "", "the folder of the suite's .proto files")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	body, err := readMessage(os.Stdin)
	if err != nil {
		return err
	}
	want, err := parseRequest(body)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "connectwrapper")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	back, stopBackend, err := startBackend(ctx, want)
	if err != nil {
		return err
	}
	defer stopBackend()
	config := filepath.Join(dir, "protean.yaml")
	if err := writeConfig(config, back, want); err != nil {
		return err
	}
	port, health, stopGateway, err := startGateway(ctx, config)
	if err != nil {
		return err
	}
	defer stopGateway()
	if err := awaitReady(ctx, health); err != nil {
		return err
	}
	if err := writeMessage(os.Stdout, response{port: port, certificate: want.certificate}.marshal()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// startBackend starts the suite's server with gRPC in plaintext, and returns its port.
func startBackend(ctx context.Context, want request) (port int, stop func(), err error) {
	var ask bytes.Buffer
	if err := writeMessage(&ask, backendRequest(want)); err != nil {
		return 0, nil, err
	}
	cmd := exec.CommandContext(ctx, *backend, "-port", "0")
	cmd.Stdin = &ask
	stdout, stop, err := begin(cmd)
	if err != nil {
		return 0, nil, err
	}
	answer, err := readMessage(stdout)
	if err != nil {
		stop()
		return 0, nil, fmt.Errorf("%s: %w", *backend, err)
	}
	port, err = parsePort(answer)
	return port, stop, err
}

// begin starts a command that ends with stop. It has no stderr: the suite waits
// until everyone has closed its own.
func begin(cmd *exec.Cmd) (stdout io.Reader, stop func(), err error) {
	if stdout, err = cmd.StdoutPipe(); err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return stdout, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}
