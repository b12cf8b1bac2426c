package translate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var update = flag.Bool("update", false, "write what was got into the files of testdata/rest")

// libraryProto is the schema of the tests.
func libraryProto(t testing.TB) string {
	text, err := os.ReadFile("testdata/library.proto")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// library compiles testdata/library.proto once for all tests.
func library(t testing.TB) *schema.Snapshot {
	t.Helper()
	librarySnapshot.Do(func() {
		compiled = rpctest.Compile(t, map[string]string{"library.proto": libraryProto(t)})
	})
	if compiled == nil {
		t.Fatal("testdata/library.proto did not compile")
	}
	return compiled
}

var (
	librarySnapshot sync.Once
	compiled        *schema.Snapshot
)

// TestREST runs the exchanges of testdata/rest. In each file NAME.request is what
// a client writes, NAME.call what the handler is to see (absent: no call), NAME.answer the script that it
// follows (absent: an empty message), NAME.response what the client is to read.
func TestREST(t *testing.T) {
	files, err := filepath.Glob("testdata/rest/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runFile(t, file) })
	}
}

func runFile(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		name, isRequest := strings.CutSuffix(f.Name, ".request")
		if !isRequest {
			if !strings.HasSuffix(f.Name, ".answer") && !strings.HasSuffix(f.Name, ".call") && !strings.HasSuffix(f.Name, ".response") {
				t.Errorf("%s: what is %s?", file, f.Name)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			call, response := exchangeOnce(t, f.Data, section(archive, name+".answer"))
			out.Files = append(out.Files, f)
			for _, s := range []txtar.File{
				{Name: name + ".answer", Data: section(archive, name+".answer")},
				{Name: name + ".call", Data: call},
				{Name: name + ".response", Data: response},
			} {
				if len(s.Data) > 0 {
					out.Files = append(out.Files, s)
				}
			}
			if *update {
				return
			}
			same(t, "call", call, section(archive, name+".call"))
			same(t, "response", response, section(archive, name+".response"))
		})
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
	}
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// exchangeOnce sends a request to a server of its own and returns the call that
// was made and the response.
func exchangeOnce(t *testing.T, request, answer []byte) (call, response []byte) {
	script := &script{t: t, answer: string(answer)}
	rest, problems := NewREST(library(t), script.handle, RESTOptions{QueryParameters: 20})
	allServed(t, problems)
	server := httptest.NewServer(rest)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(rpctest.Patience)); err != nil {
		t.Fatal(err)
	}
	// A server that refuses a body need not read it to the end.
	go func() { _, _ = conn.Write(rawRequest(string(request))) }()
	method, _, _ := strings.Cut(string(request), " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return script.call, shownResponse(t, res)
}

// allServed checks that problems are only advice about rules that are served.
func allServed(t *testing.T, problems []schema.Problem) {
	t.Helper()
	for _, p := range problems {
		if strings.Contains(p.Message, "is not served") {
			t.Fatal(p)
		}
	}
}

// rawRequest completes a request as it stands in a file. A body `@N` stands for
// a JSON string of N bytes; a chunked one is written as one chunk.
func rawRequest(text string) []byte {
	head, body, _ := strings.Cut(text, "\n\n")
	head = strings.TrimSuffix(head, "\n")
	body = strings.TrimSuffix(body, "\n")
	if size, ok := strings.CutPrefix(body, "@"); ok {
		n, _ := strconv.Atoi(size)
		body = `"` + strings.Repeat("x", n-2) + `"`
	}
	if strings.Contains(head, "multipart/form-data") {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	lines := strings.Split(head, "\n")
	lines = slices.Insert(lines, 1, "Host: gateway.test")
	if strings.Contains(head, "Transfer-Encoding: chunked") {
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	} else if body != "" {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + body)
}

func shownResponse(t *testing.T, res *http.Response) []byte {
	body, err := io.ReadAll(res.Body)
	cut := errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !cut {
		t.Fatal(err)
	}
	if cut {
		body = append(body, "\n(cut off)"...)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n", res.Status)
	res.Header.Del("Date")
	if res.Close { // net/http takes the header away
		b.WriteString("Connection: close\n")
	}
	writeHeader(&b, res.Header)
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n%s", body)
		if !bytes.HasSuffix(body, []byte("\n")) {
			b.WriteString("\n")
		}
	}
	writeHeader(&b, res.Trailer)
	return b.Bytes()
}

func writeHeader(b *bytes.Buffer, h map[string][]string) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			fmt.Fprintf(b, "%s: %s\n", name, v)
		}
	}
}

// script is a handler that notes its call and answers as it is told: a line
// each of `header NAME VALUE`, `trailer NAME VALUE`, `message JSON`, `bytes HEX`,
// `status JSON`, `error TEXT`, or `detail URL HEX` for a status FAILED_PRECONDITION that `fail TEXT` makes.
type script struct {
	t      *testing.T
	answer string
	call   []byte
}

func (s *script) handle(ctx context.Context, c *rpc.Call, stream rpc.Stream) error {
	s.call = shownCall(s.t, ctx, c)
	if err := s.receive(c, stream); err != nil {
		return err
	}
	output := c.Method.Output.Descriptor()
	if s.answer == "" {
		return stream.Send(nil)
	}
	header := metadata.MD{}
	var details []*anypb.Any
	for line := range strings.Lines(s.answer) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var err error
		switch word {
		case "header":
			name, value, _ := strings.Cut(rest, " ")
			header.Append(name, value)
			err = stream.SendHeader(header)
		case "trailer":
			name, value, _ := strings.Cut(rest, " ")
			stream.SetTrailer(metadata.Pairs(name, value))
		case "message":
			err = stream.Send(rpctest.Message(s.t, output, rest))
		case "bytes":
			b, hexErr := hex.DecodeString(rest)
			if hexErr != nil {
				s.t.Error(hexErr)
			}
			err = stream.Send(b)
		case "status":
			return scriptedStatus(s.t, rest)
		case "detail":
			url, value, _ := strings.Cut(rest, " ")
			b, hexErr := hex.DecodeString(value)
			if hexErr != nil {
				s.t.Error(hexErr)
			}
			details = append(details, &anypb.Any{TypeUrl: url, Value: b})
		case "fail":
			return status.FromProto(&spb.Status{Code: 9, Message: rest, Details: details}).Err()
		case "error":
			return fmt.Errorf("%s", rest)
		default:
			s.t.Errorf("what is %q?", word)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// receive notes the messages of a client stream.
func (s *script) receive(c *rpc.Call, stream rpc.Stream) error {
	for c.Method.ClientStreams {
		msg, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			s.call = append(s.call, "broken off\n"...)
			return err
		}
		s.call = append(append(s.call, asJSON(s.t, c.Method.Input.Descriptor(), msg)...), '\n')
	}
	return nil
}

func scriptedStatus(t *testing.T, text string) error {
	var st spb.Status
	if err := protojson.Unmarshal([]byte(text), &st); err != nil {
		t.Error(err)
	}
	return status.FromProto(&st).Err()
}

// shownCall shows a call by means of protobuf-go, which knows nothing of ours.
func shownCall(t testing.TB, ctx context.Context, c *rpc.Call) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s by %s\n", c.Method.Path, c.Door)
	if _, ok := ctx.Deadline(); ok {
		b.WriteString("with a deadline\n")
	}
	writeHeader(&b, c.Metadata)
	if !c.Method.ClientStreams {
		fmt.Fprintf(&b, "%s\n", asJSON(t, c.Method.Input.Descriptor(), c.Request))
	}
	return b.Bytes()
}

func decode(t testing.TB, md protoreflect.MessageDescriptor, msg []byte) *dynamicpb.Message {
	m := dynamicpb.NewMessage(md)
	if err := proto.Unmarshal(msg, m); err != nil {
		t.Errorf("not a %s: %v: %x", md.FullName(), err, msg)
	}
	return m
}

func asJSON(t testing.TB, md protoreflect.MessageDescriptor, msg []byte) []byte {
	text, err := protojson.Marshal(decode(t, md, msg))
	if err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Error(err)
	}
	return b.Bytes()
}
