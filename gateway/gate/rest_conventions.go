package gate

import (
	"cmp"
	"strings"

	"github.com/protean-gateway/protean/schema"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// restConventions finds services that write JSON, carry streams or treat unknown parameters
// in another way than before.
var restConventions = Rule{"rest-conventions", REST, func(c *comparison, r *reporter) {
	for _, s := range c.old.Snapshot.Services {
		twin := c.updated.Snapshot.Service(s.FullName())
		if twin == nil {
			continue
		}
		before, now := s.Options.GetRest(), twin.Options.GetRest()
		if refuses(now) && !refuses(before) {
			r.service(Breaking, twin, "unknown query parameters are refused now, and were ignored before")
		}
		if framed(before) != framed(now) {
			r.service(Breaking, twin, "streams are in another format, for clients that ask for none by name")
		}
		if a, b := jsonOptions(before), jsonOptions(now); a != b {
			r.service(Breaking, twin, "JSON was written with the options %s and is now written with %s", a, b)
		}
	}
}}

func (r *reporter) service(s Severity, of *schema.Service, format string, args ...any) {
	paths := make([]string, 0, len(of.Methods))
	for _, m := range of.Methods {
		paths = append(paths, m.Path)
	}
	r.elementAt(s, of.Descriptor, paths, format, args...)
}

func refuses(o *optionsv1.RESTService) bool {
	return o.GetUnknownParameters() != optionsv1.RESTService_UNKNOWN_PARAMETERS_IGNORE
}

func framed(o *optionsv1.RESTService) bool {
	return o.GetStreams() != optionsv1.RESTService_STREAM_FORMAT_GRPC_GATEWAY
}

// jsonOptions names the options that are on.
func jsonOptions(o *optionsv1.RESTService) string {
	var on []string
	for _, option := range []struct {
		name string
		on   bool
	}{
		{"emit_defaults", o.GetJson().GetEmitDefaults()},
		{"proto_names", o.GetJson().GetProtoNames()},
		{"enum_numbers", o.GetJson().GetEnumNumbers()},
		{"html_safe", o.GetJson().GetHtmlSafe()},
	} {
		if option.on {
			on = append(on, option.name)
		}
	}
	return cmp.Or(strings.Join(on, ", "), "none")
}
