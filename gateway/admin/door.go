package admin

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/gateway/audit"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// Authenticator is the name of the authenticator that vouches for owners.
const Authenticator = "owner"

// Owned reports whether callers need a token.
func (s *Service) Owned() bool { return len(s.owners().list) > 0 }

// Authenticated puts the owner whose token a request has into its context. What the token is no
// good for, the door refuses in its own form.
func (s *Service) Authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.Owned() {
			next.ServeHTTP(w, r)
			return
		}
		ctx := r.Context()
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		o := s.owners().tokens[sha256.Sum256([]byte(token))] // whoever finds a key by its time finds a digest
		switch {
		case bearer && o != nil:
			ctx = rpc.WithPrincipal(ctx, &rpc.Principal{Authenticator: Authenticator, Subject: o.name})
		case r.Header.Get("Authorization") != "":
			s.log.InfoContext(ctx, "an admin token was refused", "peer", r.RemoteAddr)
			s.record.Note(audit.Entry{
				Kind: audit.Credentials, Peer: r.RemoteAddr, Door: "admin", Decision: audit.Denied,
				Code: codes.Unauthenticated.String(), Reason: "the token is not one of an owner",
			})
			ctx = rpc.WithRefusal(ctx, status.Error(codes.Unauthenticated, "the token is not one of an owner"))
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Addressed lets requests through that were meant for this address: a page that made a name of
// its own lead here (DNS rebinding), or that sends requests from elsewhere, is refused. Refuse
// answers with an HTTP status and a message in the form of the door that a request is for.
func Addressed(hosts []string, refuse func(http.ResponseWriter, *http.Request, int, string), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch origin := r.Header.Get("Origin"); {
		case !transport.IsOwnHost(r.Host, hosts):
			refuse(w, r, http.StatusMisdirectedRequest, "the admin address is not called by this name; registry.hosts lists further ones")
		case origin != "" && !sameHost(origin, r.Host):
			refuse(w, r, http.StatusForbidden, "pages of other origins may not call the admin address")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}
