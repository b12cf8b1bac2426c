package gateway

import (
	"log/slog"
	"net"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// The addresses that are listened on where nothing else was said.
const (
	DefaultListen = "127.0.0.1:8080"
	DefaultAdmin  = "127.0.0.1:8081"
)

// settings are a configuration with all defaults filled in.
type settings struct {
	listen, admin   string
	pollInterval    time.Duration
	startupGrace    time.Duration
	drainTimeout    time.Duration
	urlBytes        int
	headerBytes     int
	headerTimeout   time.Duration
	bodyIdleTimeout time.Duration
	requestIDHeader string
	paths           ownPaths
	cors            cors
	challenge       string
	proxies         proxies
	hosts           []string
	loopbackAlone   bool // nothing but its address keeps others from calling
}

func settingsOf(c *configv1.Config) (settings, error) {
	front := c.GetHttp()
	s := settings{
		listen:          or(c.GetListen(), DefaultListen),
		admin:           or(c.GetAdmin(), DefaultAdmin),
		pollInterval:    orDefault(c.GetPollInterval(), 10*time.Second),
		startupGrace:    orDefault(c.GetStartupGrace(), 30*time.Second),
		drainTimeout:    orDefault(c.GetDrainTimeout(), 25*time.Second),
		urlBytes:        int(or(front.GetUrlBytes(), 8<<10)),
		headerBytes:     int(or(front.GetHeaderBytes(), 64<<10)),
		headerTimeout:   orDefault(front.GetHeaderTimeout(), 10*time.Second),
		bodyIdleTimeout: orDefault(front.GetBodyIdleTimeout(), 30*time.Second),
		requestIDHeader: or(front.GetRequestIdHeader(), "X-Request-Id"),
		paths:           ownPathsOf(c),
		cors:            newCORS(front.GetCors(), apiKeyHeaders(c)),
		challenge:       challengeOf(c),
		hosts:           front.GetHosts(),
		loopbackAlone:   len(c.GetAuthenticators()) == 0 && !c.GetAllowUnauthenticated(),
	}
	var err error
	if s.proxies, err = newProxies(front); err != nil {
		return s, err
	}
	if s.paths.collide() {
		return s, configv1.Faultf(c.GetGraphql(), "path", "%s is the path of the OpenAPI document; see openapi.path", s.paths.graphql)
	}
	if s.cors.any && s.cors.credentials {
		return s, configv1.Faultf(front.GetCors(), "credentials", "`*` cannot be combined with credentials; list the origins")
	}
	if s.loopbackAlone && !isLoopback(s.listen) {
		return s, configv1.Faultf(c, "listen", "%s is not a loopback address and no authentication is configured; "+
			"say --allow-unauthenticated if everyone who can reach it may call the backends", s.listen)
	}
	if s.admin != adminOff && !isLoopback(s.admin) && len(c.GetRegistry().GetOwners()) == 0 {
		return s, configv1.Faultf(c, "admin", "%s is not a loopback address and nobody needs a token to change backends there; "+
			"name registry.owners with their tokens in the configuration", s.admin)
	}
	if s.admin != adminOff && !isLoopback(s.admin) && c.GetTls() == nil && !c.GetRegistry().GetPlaintextTokens() {
		return s, configv1.Faultf(c, "admin", "%s is not a loopback address and tokens would be sent in plaintext; "+
			"set tls, which then holds for it too, or registry.plaintext_tokens where a proxy or mesh encrypts", s.admin)
	}
	return s, nil
}

const adminOff = "off"

// isLoopback reports whether only this machine can reach the address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// or returns the first value unless it is zero.
func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func orDefault(d *durationpb.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.AsDuration()
}

// LogLevel returns the level that the configuration asks for.
func LogLevel(c *configv1.Config) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(or(c.GetLogLevel(), "info"))); err != nil {
		return slog.LevelInfo // ParseConfig has refused other names
	}
	return level
}
