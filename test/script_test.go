package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jhump/protoreflect/v2/grpcreflect"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

var update = flag.Bool("update", false, "write what the gateway answers into the scripts")

// exchangeTimeout ends an exchange that hangs. Nothing depends on how long it takes.
const exchangeTimeout = 30 * time.Second

// TestScripts boots the gateway before the example services, once for each script,
// and compares every exchange word for word. A script may say more configuration in config.yaml. The commands of the scripts are:
//
//	http [-h 'Name: value']... [-lines N] METHOD PATH [BODYFILE]
//	websocket PATH SUBPROTOCOL FILE     lines of FILE: `> text to send`, `<` to receive
//	grpc [-h 'name: value']... [-messages N] pkg.Service/Method FILE     a JSON message a line
//	grpclist                            the services that reflection lists
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			more, err := os.ReadFile(filepath.Join(env.WorkDir, "config.yaml"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			g, _, stop := startShop(env.T(), string(more))
			env.Defer(stop)
			env.Setenv("GATEWAY", g.Addr())
			env.Setenv("ADMIN", g.AdminAddr())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"http":      commandHTTP,
			"websocket": commandWebSocket,
			"grpc":      commandGRPC,
			"grpclist":  commandGRPCList,
		},
	})
}

// options takes flags off the front of args.
func options(ts *testscript.TestScript, args []string) (headers [][2]string, limit int, rest []string) {
	for len(args) >= 2 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-h":
			name, value, _ := strings.Cut(args[1], ": ")
			headers = append(headers, [2]string{name, value})
		case "-lines", "-messages":
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			limit = n
		default:
			ts.Fatalf("unknown flag %s", args[0])
		}
		args = args[2:]
	}
	return headers, limit, args
}

// commandHTTP prints the status, the headers that matter to clients, and the body.
func commandHTTP(ts *testscript.TestScript, _ bool, args []string) {
	headers, lines, args := options(ts, args)
	if len(args) < 2 {
		ts.Fatalf("usage: http [-h 'Name: value']... [-lines N] METHOD PATH [BODYFILE]")
	}
	var body io.Reader
	if len(args) == 3 {
		body = strings.NewReader(ts.ReadFile(args[2]))
	}
	base := "http://" + ts.Getenv("GATEWAY")
	if strings.HasPrefix(args[1], "admin:") {
		base, args[1] = "http://"+ts.Getenv("ADMIN"), strings.TrimPrefix(args[1], "admin:")
	}
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, args[0], base+args[1], body)
	ts.Check(err)
	for _, h := range headers {
		req.Header.Add(h[0], h[1])
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	out := ts.Stdout()
	fmt.Fprintln(out, resp.StatusCode)
	for _, name := range []string{"Content-Type", "Content-Encoding", "Allow", "Vary", "Access-Control-Allow-Origin",
		"Cache-Control", "Age", "RateLimit-Policy", "RateLimit", "Retry-After"} {
		if v := resp.Header.Values(name); len(v) > 0 {
			fmt.Fprintf(out, "%s: %s\n", strings.ToLower(name), strings.Join(v, ", "))
		}
	}
	fmt.Fprintln(out)
	ts.Check(copyLines(out, resp.Body, lines))
}

// copyLines copies all, or so many lines. It ends with a newline.
func copyLines(out io.Writer, in io.Reader, limit int) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 16<<20)
	for n := 1; scanner.Scan(); n++ {
		fmt.Fprintln(out, scanner.Text())
		if n == limit {
			return nil
		}
	}
	return scanner.Err()
}

// commandWebSocket plays a conversation and prints what was received, and how
// the server closed if it did.
func commandWebSocket(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: websocket PATH SUBPROTOCOL FILE")
	}
	dialer := websocket.Dialer{Subprotocols: []string{args[1]}, HandshakeTimeout: exchangeTimeout}
	conn, resp, err := dialer.Dial("ws://"+ts.Getenv("GATEWAY")+args[0], nil)
	if err != nil && resp != nil {
		fmt.Fprintln(ts.Stdout(), resp.StatusCode)
		return
	}
	ts.Check(err)
	defer conn.Close()
	ts.Check(conn.SetReadDeadline(time.Now().Add(exchangeTimeout)))
	for line := range strings.Lines(ts.ReadFile(args[2])) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "> "); ok {
			ts.Check(conn.WriteMessage(websocket.TextMessage, []byte(text)))
			continue
		}
		_, message, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			fmt.Fprintf(ts.Stdout(), "close %d %s\n", closed.Code, closed.Text)
			return
		}
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%s\n", message)
	}
}

// commandGRPC calls a method that it knows by reflection alone, and prints the
// answers and the status.
func commandGRPC(ts *testscript.TestScript, _ bool, args []string) {
	headers, messages, args := options(ts, args)
	if len(args) != 2 {
		ts.Fatalf("usage: grpc [-h 'name: value']... [-messages N] pkg.Service/Method FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	md := make(metadata.MD)
	for _, h := range headers {
		md.Append(h[0], h[1])
	}
	ctx = metadata.NewOutgoingContext(ctx, md)
	conn := dialGateway(ts)
	defer conn.Close()
	reflection := grpcreflect.NewClientAuto(ctx, conn)
	defer reflection.Reset()
	service, method, _ := strings.Cut(args[0], "/")
	d, err := reflection.AsResolver().FindDescriptorByName(protoreflect.FullName(service + "." + method))
	ts.Check(err)
	target := d.(protoreflect.MethodDescriptor)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+args[0])
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		request := dynamicpb.NewMessage(target.Input())
		ts.Check(protojson.Unmarshal([]byte(line), request))
		ts.Check(stream.SendMsg(request))
	}
	ts.Check(stream.CloseSend())
	printAnswers(ts, stream, target, messages)
}

func dialGateway(ts *testscript.TestScript) *grpc.ClientConn {
	conn, err := grpc.NewClient(ts.Getenv("GATEWAY"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	ts.Check(err)
	return conn
}

func printAnswers(ts *testscript.TestScript, stream grpc.ClientStream, target protoreflect.MethodDescriptor, limit int) {
	for n := 1; ; n++ {
		answer := dynamicpb.NewMessage(target.Output())
		if err := stream.RecvMsg(answer); err != nil {
			if !errors.Is(err, io.EOF) {
				fmt.Fprintf(ts.Stdout(), "%s: %s\n", status.Code(err), status.Convert(err).Message())
			} else {
				fmt.Fprintln(ts.Stdout(), "OK")
			}
			return
		}
		text, err := protojson.Marshal(answer)
		ts.Check(err)
		var compact bytes.Buffer // protojson varies its spaces on purpose
		ts.Check(json.Compact(&compact, text))
		fmt.Fprintln(ts.Stdout(), compact.String())
		if n == limit {
			return
		}
	}
}

func commandGRPCList(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	conn := dialGateway(ts)
	defer conn.Close()
	reflection := grpcreflect.NewClientAuto(ctx, conn)
	defer reflection.Reset()
	names, err := reflection.ListServices()
	ts.Check(err)
	for _, name := range names {
		fmt.Fprintln(ts.Stdout(), name)
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}
