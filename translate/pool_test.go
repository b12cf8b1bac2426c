package translate

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// startPool serves the library in front of a real gRPC server.
func startPool(t *testing.T, handlers map[string]rpctest.Handler) *httptest.Server {
	backend := rpctest.Start(t, handlers)
	pool := rpc.NewPool()
	t.Cleanup(pool.Close)
	if err := pool.Sync([]rpc.Endpoint{backend.Endpoint(rpctest.BackendName)}); err != nil {
		t.Fatal(err)
	}
	return startREST(t, pool.Handle, false)
}

func TestThroughPool(t *testing.T) {
	snap := library(t)
	book := rpctest.Message(t, rpctest.Method(t, snap, "/lib.v1.Library/GetBook").Output.Descriptor(), `{"title":"Emma"}`)
	event := rpctest.Message(t, rpctest.Method(t, snap, "/lib.v1.Library/Watch").Output.Descriptor(), `{"text":"a"}`)
	server := startPool(t, map[string]rpctest.Handler{
		"/lib.v1.Library/GetBook":   rpctest.Answer(book),
		"/lib.v1.Library/Watch":     rpctest.Answer(event, event),
		"/lib.v1.Library/Collect":   rpctest.Answer(event),
		"/lib.v1.Library/Chat":      rpctest.Echo,
		"/lib.v1.Library/ListBooks": rpctest.Answer([]byte("\x0a\xff")),
	})
	tests := []struct {
		verb, path, body string
		status           int
		want             string
	}{
		{"GET", "/v1/isbn/1", "", 200, `{"title":"Emma"}`},
		{"GET", "/v1/shelves/1:watch", "", 200, `{"data":{"text":"a"}}` + "\n" + `{"data":{"text":"a"}}` + "\n" + `{"end":{}}` + "\n"},
		{"POST", "/v1/collect", "{}\n{}\n", 200, `{"text":"a"}`},
		{"POST", "/v1/chat", `{"text":"x"}`, 200, `{"data":{"text":"x"}}` + "\n" + `{"end":{}}` + "\n"},
		{"POST", "/v1/collect", "{}\n[]\n", 400, `"message":"body[1], line 2, column 1: expected an object, found a list"`},
		{"POST", "/v1/collect", strings.Repeat(" ", 5<<20), 413, `a request message is larger than the limit`},
		{"GET", "/v1/books", "", 500, `"message":"the backend's answer is not a valid lib.v1.ListBooksResponse"`},
		{"GET", "/v1/jobs/first", "", 501, `"code":12`},
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.verb, server.URL+test.path, strings.NewReader(test.body))
		r.RequestURI = ""
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != test.status || !strings.Contains(string(text), test.want) {
			t.Errorf("%s %s: got %d %s (%v), want %d %s", test.verb, test.path, res.StatusCode, text, err, test.status, test.want)
		}
	}
}

func TestDisconnectThroughPool(t *testing.T) {
	hang := rpctest.NewHang()
	server := startPool(t, map[string]rpctest.Handler{"/lib.v1.Library/Legacy": hang.Handle})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/lib.v1.Library/Legacy", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		res, err := server.Client().Do(r)
		if err == nil {
			res.Body.Close()
		}
		gone <- err
	}()
	hang.WaitStarted(t)
	cancel()
	hang.WaitCancelled(t)
	if err := rpctest.Wait(t, gone, "the client's end"); err == nil {
		t.Error("the client got an answer")
	}
}
