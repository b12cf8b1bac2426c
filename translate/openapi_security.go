package translate

import (
	"maps"
	"slices"
	"strings"

	v2 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	v3 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3/options"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// SecurityScheme is a way in which callers say who they are: a key in a header, a bearer token, or,
// where neither is set, a client certificate.
type SecurityScheme struct {
	Name        string // unique among the schemes
	Description string
	// Header is where a key stands. Empty: it is no key.
	Header string
	// Bearer: the scheme is a token in the header Authorization, in the format of BearerFormat,
	// if that is known.
	Bearer       bool
	BearerFormat string
}

// SecurityNeed is what callers of a method must have.
type SecurityNeed struct {
	// Anonymous: callers without credentials may call.
	Anonymous bool
	// Schemes are names of schemes, each of which will do.
	Schemes []string
	// Scopes are needed, all of them.
	Scopes []string
}

// security returns the requirements of a method: what the gateway needs, or where it knows no callers,
// what the files say. Nil: there is nothing to say.
func (b *openBuilder) security(m *schema.Method, said []any) []any {
	if len(b.options.SecuritySchemes) == 0 {
		return slices.DeleteFunc(said, func(r any) bool { return !b.declares(r.(*object)) })
	}
	if b.options.Needs == nil {
		return nil
	}
	need := b.options.Needs(m)
	if len(need.Schemes) == 0 && !need.Anonymous { // nobody may call; an empty list would say that everybody may
		for _, s := range b.options.SecuritySchemes {
			need.Schemes = append(need.Schemes, s.Name)
		}
	}
	list := []any{}
	for _, name := range need.Schemes {
		list = append(list, newObject(member{name, texts(slices.Compact(slices.Sorted(slices.Values(need.Scopes))))}))
	}
	if need.Anonymous && len(list) > 0 {
		list = append(list, newObject())
	}
	return list
}

// declares reports whether all schemes of a requirement are described.
func (b *openBuilder) declares(requirement *object) bool {
	for _, m := range requirement.members {
		if b.schemes.get(m.name) == nil {
			return false
		}
	}
	return true
}

func (b *openBuilder) securitySchemes() *object {
	o := newObject()
	for _, s := range b.options.SecuritySchemes {
		o.set(s.Name, s.object())
	}
	if len(o.members) > 0 {
		return o
	}
	b.eachFile(func(_ protoreflect.FileDescriptor, old *v2.Swagger, recent *v3.Document) {
		schemes := recent.GetComponents().GetSecuritySchemes()
		for _, name := range slices.Sorted(maps.Keys(schemes)) {
			if o.get(name) == nil {
				o.setObject(name, recentScheme(schemes[name]))
			}
		}
		defined := old.GetSecurityDefinitions().GetSecurity()
		for _, name := range slices.Sorted(maps.Keys(defined)) {
			if o.get(name) == nil {
				o.setObject(name, oldScheme(defined[name]))
			}
		}
	})
	return o
}

func (s SecurityScheme) object() *object {
	o := newObject()
	switch {
	case s.Header != "":
		o = newObject(member{"type", "apiKey"}, member{"name", s.Header}, member{"in", "header"})
	case s.Bearer:
		o = newObject(member{"type", "http"}, member{"scheme", "bearer"})
		o.setText("bearerFormat", s.BearerFormat)
	default:
		o.set("type", "mutualTLS")
	}
	o.setText("description", s.Description)
	return o
}

// recentScheme is a scheme of openapiv3_document, or nothing where it makes no sense.
func recentScheme(s *v3.SecurityScheme) *object {
	o := newObject()
	switch s.GetType() {
	case v3.SecurityScheme_TYPE_API_KEY:
		o = newObject(member{"type", "apiKey"}, member{"name", s.GetName()},
			member{"in", strings.ToLower(strings.TrimPrefix(s.GetIn().String(), "IN_"))})
	case v3.SecurityScheme_TYPE_HTTP:
		o = newObject(member{"type", "http"}, member{"scheme", s.GetScheme()})
		o.setText("bearerFormat", s.GetBearerFormat())
	case v3.SecurityScheme_TYPE_MUTUAL_TLS:
		o.set("type", "mutualTLS")
	case v3.SecurityScheme_TYPE_OPEN_ID_CONNECT:
		o = newObject(member{"type", "openIdConnect"}, member{"openIdConnectUrl", s.GetOpenIdConnectUrl()})
	case v3.SecurityScheme_TYPE_OAUTH2:
		o = newObject(member{"type", "oauth2"}, member{"flows", recentFlows(s.GetFlows())})
	default:
		return nil
	}
	o.setText("description", s.GetDescription())
	return o
}

func recentFlows(f *v3.OAuthFlows) *object {
	o := newObject()
	for _, one := range []struct {
		name string
		flow *v3.OAuthFlow
	}{
		{"implicit", f.GetImplicit()},
		{"password", f.GetPassword()},
		{"clientCredentials", f.GetClientCredentials()},
		{"authorizationCode", f.GetAuthorizationCode()},
	} {
		if one.flow != nil {
			o.set(one.name, flowObject(one.flow.GetAuthorizationUrl(), one.flow.GetTokenUrl(), one.flow.GetRefreshUrl(), one.flow.GetScopes()))
		}
	}
	return o
}

func flowObject(authorize, token, refresh string, scopes map[string]string) *object {
	o := newObject()
	o.setText("authorizationUrl", authorize)
	o.setText("tokenUrl", token)
	o.setText("refreshUrl", refresh)
	all := newObject()
	for _, name := range slices.Sorted(maps.Keys(scopes)) {
		all.set(name, scopes[name])
	}
	o.set("scopes", all)
	return o
}

// oldFlows are the flows of version 2 under their names in version 3.
var oldFlows = map[v2.SecurityScheme_Flow]string{
	v2.SecurityScheme_FLOW_IMPLICIT:    "implicit",
	v2.SecurityScheme_FLOW_PASSWORD:    "password",
	v2.SecurityScheme_FLOW_APPLICATION: "clientCredentials",
	v2.SecurityScheme_FLOW_ACCESS_CODE: "authorizationCode",
}

// oldScheme is a scheme of openapiv2_swagger, or nothing where it makes no sense.
func oldScheme(s *v2.SecurityScheme) *object {
	var o *object
	switch s.GetType() {
	case v2.SecurityScheme_TYPE_BASIC:
		o = newObject(member{"type", "http"}, member{"scheme", "basic"})
	case v2.SecurityScheme_TYPE_API_KEY:
		o = newObject(member{"type", "apiKey"}, member{"name", s.GetName()},
			member{"in", strings.ToLower(strings.TrimPrefix(s.GetIn().String(), "IN_"))})
	case v2.SecurityScheme_TYPE_OAUTH2:
		flow := oldFlows[s.GetFlow()]
		if flow == "" {
			return nil
		}
		o = newObject(member{"type", "oauth2"}, member{"flows", newObject(
			member{flow, flowObject(s.GetAuthorizationUrl(), s.GetTokenUrl(), "", s.GetScopes().GetScope())})})
	default:
		return nil
	}
	o.setText("description", s.GetDescription())
	setExtensions(o, s.GetExtensions())
	return o
}

// saidSecurity returns the requirements that the options of an operation, or else of its
// file, name. Nil: they name none.
func saidSecurity(fd protoreflect.FileDescriptor, old *v2.Operation, recent *v3.Operation) []any {
	for _, said := range [][]any{
		requirements(recent.GetSecurity(), recentRequirement),
		requirements(old.GetSecurity(), oldRequirement),
		requirements(extensionOf[*v3.Document](fd, v3.E_Openapiv3Document).GetSecurity(), recentRequirement),
		requirements(extensionOf[*v2.Swagger](fd, v2.E_Openapiv2Swagger).GetSecurity(), oldRequirement),
	} {
		if said != nil {
			return said
		}
	}
	return nil
}

func requirements[R any](said []R, scopes func(R) map[string][]string) (list []any) {
	for _, r := range said {
		o := newObject()
		named := scopes(r)
		for _, name := range slices.Sorted(maps.Keys(named)) {
			o.set(name, texts(named[name]))
		}
		list = append(list, o)
	}
	return list
}

func recentRequirement(r *v3.SecurityRequirement) map[string][]string {
	named := make(map[string][]string)
	for name, s := range r.GetSchemes() {
		named[name] = s.GetScopes()
	}
	return named
}

func oldRequirement(r *v2.SecurityRequirement) map[string][]string {
	named := make(map[string][]string)
	for name, s := range r.GetSecurityRequirement() {
		named[name] = s.GetScope()
	}
	return named
}
