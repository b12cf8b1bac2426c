package auth

import (
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// The response metadata by which clients and caches between them and the gateway decide what to store (RFC 9111, section 5).
const (
	cacheControlKey = "cache-control"
	varyKey         = "vary"
)

// limitCaching returns a stream that limits what response metadata, of a backend or of a policy, permits caches between the
// gateway and its clients to do. Only a response that is the same for every caller may be stored by shared caches
// (RFC 9111, section 3.5): the method is open to everyone, none of its response fields has a policy, and the backend
// receives nothing about the caller. Every other response is private. A response of an open method names the
// request headers by which callers differ, since a caller with credentials may receive another one. The stream lies
// in room, which may be nil.
func (p *Policies) limitCaching(c *rpc.Call, s rpc.Stream, room *cachingStream) rpc.Stream {
	open := p.open(c)
	if open && len(p.callerHeaders) == 0 {
		return s
	}
	if room == nil {
		room = new(cachingStream)
	}
	*room = cachingStream{Stream: s, private: !open}
	if open {
		room.vary = p.callerHeaders
	}
	return room
}

// open reports whether a call has the response that every caller of its method has.
func (p *Policies) open(c *rpc.Call) bool {
	if a, known := p.methods[c.Method]; !known || a != nil || p.fields[c.Method] != nil {
		return false
	}
	for _, name := range c.Added {
		if len(c.Metadata[name]) > 0 {
			return false
		}
	}
	return len(c.Metadata["authorization"]) == 0 && len(c.Metadata["cookie"]) == 0
}

// cachingStream is a stream whose response metadata is limited.
type cachingStream struct {
	rpc.Stream
	private bool
	vary    []string
}

// SendHeader implements [rpc.Stream].
func (s *cachingStream) SendHeader(md metadata.MD) error {
	if len(md[cacheControlKey]) == 0 {
		return s.Stream.SendHeader(md)
	}
	limited := md.Copy()
	if s.private {
		limited[cacheControlKey] = []string{privateCaching(md[cacheControlKey])}
	}
	if len(s.vary) > 0 {
		limited[varyKey] = append(limited[varyKey], s.vary...)
	}
	return s.Stream.SendHeader(limited)
}

// sharedDirectives are the directives of Cache-Control that address shared caches or that name which caches are addressed.
var sharedDirectives = map[string]bool{"public": true, "s-maxage": true, "proxy-revalidate": true, "private": true}

// privateCaching returns the value of Cache-Control that permits what lines permit, to the caller's own cache alone.
func privateCaching(lines []string) string {
	kept := []string{"private"}
	for _, line := range lines {
		for directive := range strings.SplitSeq(unquoted(line), ",") {
			directive = strings.TrimSuffix(strings.TrimSpace(directive), "=") // a list of fields is gone: it counts for all
			name, _, _ := strings.Cut(directive, "=")
			if directive != "" && !sharedDirectives[strings.ToLower(strings.TrimSpace(name))] {
				kept = append(kept, directive)
			}
		}
	}
	return strings.Join(kept, ", ")
}

// unquoted returns a line without its quoted strings, in which a comma ends no directive. Every directive that stays
// has a number as its argument, or none.
func unquoted(line string) string {
	if !strings.Contains(line, `"`) {
		return line
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted:
			b.WriteByte(c)
		}
	}
	return b.String()
}
