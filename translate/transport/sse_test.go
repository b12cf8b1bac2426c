package transport

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventsOnTheWire(t *testing.T) {
	cases := []struct {
		name  string
		event Event
		want  string
	}{
		{"data only", Event{Data: []byte(`{"a":1}`)}, "data: {\"a\":1}\n\n"},
		{"name and id", Event{Name: "next", ID: "7", Data: []byte("x")}, "event: next\nid: 7\ndata: x\n\n"},
		{"no data", Event{Name: "complete"}, "event: complete\ndata: \n\n"},
		{"lines of all kinds", Event{Data: []byte("a\nb\r\nc\rd\n")}, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"no way out of a name", Event{Name: "a\ndata: b", ID: "\x00", Data: nil}, "event: a\ndata: \n\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := string(appendEvent(nil, c.event)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// FuzzEventData checks that what a client reads out of the data lines is the data.
func FuzzEventData(f *testing.F) {
	f.Add([]byte("a\nb"))
	f.Add([]byte("\r\n\r"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text := bytes.TrimSuffix(appendEvent(nil, Event{Data: data}), []byte("\n"))
		var lines [][]byte
		for line := range bytes.Lines(text) {
			line, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("data: "))
			if !ok || bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("%q is written as %q", data, text)
			}
			lines = append(lines, line)
		}
		plain := bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
		if got := bytes.Join(lines, []byte("\n")); !bytes.Equal(got, plain) {
			t.Errorf("%q is read as %q", data, got)
		}
	})
}

func TestASilentStreamHasAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		s, ctx := OpenEventStream(w, r, time.Second)
		time.Sleep(1500 * time.Millisecond) // the comment at the start counts for the first second
		if err := s.Send(Event{Data: []byte("x")}); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second) // the event counts for the second second, not for the third
		s.Close()
		if ctx.Err() == nil {
			t.Error("the context goes on after Close")
		}
		if got, want := w.Body.String(), ":\n\ndata: x\n\n:\n\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if !w.Flushed || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("flushed: %v, headers: %v", w.Flushed, w.Header())
		}
	})
}

// deaf is a client that is gone.
type deaf struct{ http.ResponseWriter }

var errDeaf = errors.New("gone")

func (deaf) Write([]byte) (int, error) { return 0, errDeaf }

func TestAStreamThatCannotBeWrittenEndsItsContext(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s, ctx := OpenEventStream(deaf{httptest.NewRecorder()}, r, time.Hour)
	defer s.Close()
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("the context says %v", ctx.Err())
	}
	if err := s.Send(Event{}); !errors.Is(err, errDeaf) {
		t.Errorf("Send returns %v", err)
	}
}

func TestOriginAllowed(t *testing.T) {
	cases := []struct {
		origin  string
		allowed []string
		want    bool
	}{
		{"", nil, true},
		{"https://shop.example", nil, true},
		{"http://SHOP.example", nil, true},
		{"https://foe.example", nil, false},
		{"https://shop.example:8443", nil, false},
		{"https://foe.example/shop.example", nil, false},
		{"null", nil, false},
		{"://", nil, false},
		{"https://friend.example", []string{"https://friend.example"}, true},
		{"http://friend.example", []string{"https://friend.example"}, false},
		{"null", []string{"*"}, true},
	}
	for _, c := range cases {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://shop.example/", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if got := OriginAllowed(r, c.allowed); got != c.want {
			t.Errorf("origin %q, allowed %v: %v", c.origin, c.allowed, got)
		}
	}
}

func TestStreamThatWasNeverBegunBecomesAnotherAnswer(t *testing.T) {
	w := httptest.NewRecorder()
	s, _ := NewEventStream(t.Context(), w, 0)
	if s.Close() {
		t.Error("nothing was written, and it has begun")
	}
	if len(w.Header()) > 0 || w.Body.Len() > 0 {
		t.Errorf("got %v %q", w.Header(), w.Body)
	}
}

func TestBeginOnlyOnce(t *testing.T) {
	w := httptest.NewRecorder()
	s, _ := NewEventStream(t.Context(), w, 0)
	for range 2 {
		s.Begin(func(h http.Header) { h.Add("X-Set", "once") })
	}
	if !s.Close() || len(w.Result().Header["X-Set"]) != 1 || w.Body.String() != serverSent.heartbeat {
		t.Errorf("got %v %q", w.Result().Header, w.Body)
	}
}
