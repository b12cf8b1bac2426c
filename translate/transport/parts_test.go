package transport

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lockedRecorder is a recorder that may be read while a heartbeat is written.
type lockedRecorder struct {
	*httptest.ResponseRecorder
	mu sync.Mutex
}

func (r *lockedRecorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ResponseRecorder.Write(p)
}

func (r *lockedRecorder) written() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Body.String()
}

// TestPartStream has a heartbeat at the start, two documents, a heartbeat in the silence after them, and an end. What
// was written must be a whole multipart body, and each document be followed by its delimiter at once.
func TestPartStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &lockedRecorder{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		s, _ := OpenPartStream(w, r, time.Second)
		written := []string{"\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql"}
		for _, document := range []string{`{"a":1}`, `{"b":2}`} {
			if err := s.Send(Event{Data: []byte(document)}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			written = append(written, written[len(written)-1]+"\r\nContent-Type: application/json\r\n\r\n"+document+"\r\n--graphql")
			if got, want := w.written(), written[len(written)-1]; got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		time.Sleep(2500 * time.Millisecond)
		if err := s.Send(Event{}); err != nil {
			t.Fatal(err)
		}
		s.Close()

		_, params, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
		if err != nil || params["subscriptionspec"] != "1.0" {
			t.Fatalf("Content-Type %v, %v", params, err)
		}
		body := multipart.NewReader(w.Body, params["boundary"])
		for _, want := range []string{"{}", `{"a":1}`, `{"b":2}`, "{}"} {
			part, err := body.NextPart()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(part)
			if err != nil || string(got) != want || part.Header.Get("Content-Type") != "application/json" {
				t.Errorf("part %q, %v, %v; want %q", got, part.Header, err, want)
			}
		}
		if _, err := body.NextPart(); err != io.EOF {
			t.Errorf("after the last part: %v", err)
		}
	})
}
