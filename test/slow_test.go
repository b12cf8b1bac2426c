package test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestSlowBodies sends the head of a request over HTTP/1.1 and a part of its body, or none, and then nothing. The
// client has its answer and loses the connection, whatever it says that the body is.
func TestSlowBodies(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"silent.proto": silentService})
	backend := rpctest.Start(t, map[string]rpctest.Handler{"/silent.v1.Silent/Get": rpctest.Answer(nil)}, rpctest.Reflect(snapshot.Backends[0]))
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("silent", backend.Address)},
		Http:     &configv1.HTTP{BodyIdleTimeout: durationpb.New(50 * time.Millisecond)},
	})
	t.Cleanup(stop)
	for _, path := range []string{"/silent.v1.Silent/Get", "/graphql", "/nowhere", "/openapi.json", "/v1/event"} {
		for _, kind := range []string{
			"application/json", "application/x-ndjson", "application/grpc", "application/grpc-web", "application/proto",
			"application/connect+proto", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b",
		} {
			for _, framing := range []string{"Content-Length: 1000\r\n\r\n", "Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"} {
				t.Run(path+" "+kind+" "+framing, func(t *testing.T) {
					t.Parallel()
					conn, err := net.Dial("tcp", g.Addr())
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
						t.Fatal(err)
					}
					if _, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: "+kind+"\r\n"+framing); err != nil {
						t.Fatal(err)
					}
					reader := bufio.NewReader(conn)
					res, err := http.ReadResponse(reader, nil)
					if err != nil {
						t.Fatalf("no answer: %v", err)
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil {
						t.Fatal(err)
					}
					if n, err := reader.ReadByte(); err != io.EOF {
						t.Errorf("%s, and then %v, %v", res.Status, n, err)
					}
				})
			}
		}
	}
}
