package gateway

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// patient bounds how long a client may stall in the middle of a body, so that a
// slow one does not hold a request for ever. Bodies that are streams may be
// silent for as long as their call lives, and are left alone.
func patient(idle time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody && !streamsBody(r.Header) {
			r.Body = &patientBody{ReadCloser: r.Body, controller: http.NewResponseController(w), idle: idle}
		}
		next.ServeHTTP(w, r)
	})
}

func streamsBody(h http.Header) bool {
	contentType := h.Get("Content-Type")
	for _, prefix := range [...]string{"application/grpc", "application/connect", "application/x-ndjson"} {
		if strings.HasPrefix(contentType, prefix) {
			return true
		}
	}
	return false
}

// patientBody moves the read deadline before each read, and takes it away after the last.
type patientBody struct {
	io.ReadCloser
	controller *http.ResponseController
	idle       time.Duration
}

func (b *patientBody) Read(p []byte) (int, error) {
	// A connection without deadlines has no slow clients that matter.
	_ = b.controller.SetReadDeadline(time.Now().Add(b.idle))
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}
