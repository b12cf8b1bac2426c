package gate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// httpRule is a google.api.http rule as a file has it, read without the gateway's own reading of it.
type httpRule struct {
	method, verb, template, body, response string
}

// name is what a route is told apart by: the requests that it takes, whatever its variables are called.
func (r httpRule) name() string {
	return r.verb + " " + variable.ReplaceAllStringFunc(r.template, func(v string) string {
		_, pattern, bound := strings.Cut(strings.Trim(v, "{}"), "=")
		if !bound {
			return "*"
		}
		return pattern
	})
}

var variable = regexp.MustCompile(`\{[^}]*\}`)

// fields are those that the path sets.
func (r httpRule) fields() string {
	var names []string
	for _, v := range variable.FindAllString(r.template, -1) {
		name, _, _ := strings.Cut(strings.Trim(v, "{}"), "=")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// takes reports whether a request fits the rule.
func (r httpRule) takes(request string) bool {
	verb, path, _ := strings.Cut(request, " ")
	_, pattern, _ := strings.Cut(r.name(), " ")
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(quoted, `\*\*`, ".+")
	quoted = strings.ReplaceAll(quoted, `\*`, "[^/]+")
	return verb == r.verb && regexp.MustCompile("^"+quoted+"$").MatchString(path)
}

// httpRules returns the rules of all methods, by name.
func httpRules(s *schema.Snapshot) map[string]httpRule {
	rules := make(map[string]httpRule)
	for _, m := range eachMethod(s) {
		rule, _ := proto.GetExtension(m.Descriptor.Options(), annotations.E_Http).(*annotations.HttpRule)
		for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			r.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
				if fd.ContainingOneof() != nil && fd.Kind() == protoreflect.StringKind {
					one := httpRule{m.Path, strings.ToUpper(string(fd.Name())), v.String(), r.GetBody(), r.GetResponseBody()}
					rules[one.name()] = one
				}
				return true
			})
		}
	}
	return rules
}

// missedRoutes returns the rules that are gone or different, of methods that both releases have, and that the gate says
// nothing of.
func missedRoutes(findings []Finding, was, is Views) (missed []string) {
	said := make(map[string]bool)
	for _, f := range findings {
		if f.Surface == REST && f.Severity >= Dangerous {
			verb, template, _ := strings.Cut(f.Element, " ")
			said[httpRule{verb: verb, template: template}.name()] = true
		}
	}
	now := httpRules(is.Snapshot)
	for name, before := range httpRules(was.Snapshot) {
		after, there := now[name]
		same := there && before.method == after.method && before.body == after.body && before.response == after.response && before.fields() == after.fields()
		if !same && !said[name] && is.Snapshot.Method(before.method) != nil {
			missed = append(missed, fmt.Sprintf("%s of %s", name, before.method))
		}
	}
	return missed
}

// refutedRoute returns why a finding about a route cannot be true by the rules in the files.
func refutedRoute(f Finding, was, is Views) string {
	if f.Rule == restConventions.Name {
		return sameOptions(was.Snapshot, is.Snapshot, f.Element)
	}
	verb, template, _ := strings.Cut(f.Element, " ")
	if strings.HasPrefix(template, "/") && is.Snapshot.Method(template) != nil && f.Rule == routeRemoved.Name {
		return "every method has this route"
	}
	name := httpRule{verb: verb, template: template}.name()
	before, had := httpRules(was.Snapshot)[name]
	after, has := httpRules(is.Snapshot)[name]
	switch {
	case f.Rule == routeRemoved.Name && (!had || has):
		return "the old files do not have it, or the new ones still do"
	case f.Rule == routeServedByOther.Name:
		return refutedTaker(f, after, had, before.method, slices.Collect(maps.Values(httpRules(was.Snapshot))))
	case f.Rule == routeRemoved.Name:
		return ""
	case !had || !has:
		return "one of the releases does not have it"
	case f.Rule == routeBody.Name && before.body == after.body,
		f.Rule == routeResponse.Name && before.response == after.response,
		f.Rule == routeVariables.Name && before.fields() == after.fields():
		return "both releases have it in the same way"
	}
	return ""
}

var suchAs = regexp.MustCompile(`requests such as (\S+ \S+), which`)

// refutedTaker looks whether a new route takes a request that another one took: the same route of another method, or
// one that both fit.
func refutedTaker(f Finding, taker httpRule, had bool, method string, before []httpRule) string {
	if had {
		if method == taker.method {
			return "it is of the same method in both releases"
		}
		return ""
	}
	request := suchAs.FindStringSubmatch(f.Message)
	if request == nil || !taker.takes(request[1]) {
		return "it names no request that the new route takes"
	}
	if !slices.ContainsFunc(before, func(r httpRule) bool { return r.method != taker.method && r.takes(request[1]) }) {
		return "no other route took that request before"
	}
	return ""
}

// refutedPolicy returns why a finding about policies cannot be true: where nothing that is said of the element
// differs. The operator says nothing of these APIs, so it is all in the options.
func refutedPolicy(f Finding, was, is Views) string {
	if f.Rule == selectorOrphaned.Name {
		return "there are no selectors"
	}
	return sameOptions(was.Snapshot, is.Snapshot, f.Element)
}

// sameOptions says so where an element and what it belongs to have the same options in both.
func sameOptions(was, is *schema.Snapshot, element string) string {
	if optionsOf(was, element) == optionsOf(is, element) {
		return "its options are the same in both releases"
	}
	return ""
}

func optionsOf(s *schema.Snapshot, element string) string {
	for _, b := range s.Backends {
		d, err := b.Files.FindDescriptorByName(protoreflect.FullName(element))
		if err != nil {
			continue
		}
		text := fmt.Sprint(d.Options())
		if d.Parent() != nil {
			text += fmt.Sprint(d.Parent().Options())
		}
		return text
	}
	return ""
}
