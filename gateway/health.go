package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/protean-gateway/protean/gateway/admin"
)

// adminServer answers /livez, /readyz and /metrics, and has the doors of the admin service.
func (g *Gateway) adminServer(base context.Context) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", g.serveReady)
	hosts := g.first.config.GetRegistry().GetHosts()
	refuse := g.adminDoors.settings.refuse
	mux.Handle("GET /metrics", admin.Addressed(hosts, refuse, g.metrics.Handler()))
	mux.Handle("/", admin.Addressed(hosts, refuse, g.adminDoors))
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           mux,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

// readiness is what /readyz answers.
type readiness struct {
	Status   string             `json:"status"` // ready, starting or draining
	Backends []backendReadiness `json:"backends"`
}

// shownReadyProblems bounds the problems of one backend in /readyz; the admin service has more.
const shownReadyProblems = 10

type backendReadiness struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Status string `json:"status"` // waiting, loaded, partial, unusable or last-good
	Error  string `json:"error,omitempty"`
	// Problems say what of the newest schema is not served, up to [shownReadyProblems].
	Problems []string `json:"problems,omitempty"`
	Skew     string   `json:"skew,omitempty"` // how its replicas differ
}

func (g *Gateway) serveReady(w http.ResponseWriter, _ *http.Request) {
	answer := readiness{Status: "ready"}
	code := http.StatusOK
	switch {
	case g.stopping.Err() != nil:
		answer.Status, code = "draining", http.StatusServiceUnavailable
	case !g.isReady(), g.policies.unknown.Load():
		answer.Status, code = "starting", http.StatusServiceUnavailable
	}
	for _, s := range g.backendStates() {
		b := backendReadiness{Name: s.Name, Source: s.Kind, Status: s.State}
		for _, p := range s.Errors[:min(len(s.Errors), shownReadyProblems)] {
			b.Problems = append(b.Problems, p.Summary())
		}
		if more := len(s.Errors) - len(b.Problems); more > 0 {
			b.Problems = append(b.Problems, fmt.Sprintf("and %d more", more))
		}
		if s.Err != nil {
			b.Error = s.Err.Error()
		}
		if s.Skew != nil {
			b.Skew = s.Skew.Error()
		}
		answer.Backends = append(answer.Backends, b)
	}
	writeJSON(w, code, answer)
}

func (g *Gateway) isReady() bool {
	select {
	case <-g.ready:
		return true
	default:
		return false
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone where this fails
}
