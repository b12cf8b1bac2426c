package schema

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// prefixes writes the names of root fields with their service in front. It computes the prefix of a service once.
type prefixes map[*Service]string

// of returns `usersGet` for the method Get of UserService.
func (p prefixes) of(m *Method) string {
	prefix, known := p[m.Service]
	if !known {
		prefix = servicePrefix(m.Service.Descriptor)
		p[m.Service] = prefix
	}
	return validStart(prefix + pascal(string(m.Descriptor.Name())))
}

// servicePrefix returns the name of a service in lowerCamelCase, without `Service` at its end. A service that is named
// after a message which its methods return stands for the collection of these: UserService with User is `users`,
// AuthService without Auth is `auth`.
func servicePrefix(sd protoreflect.ServiceDescriptor) string {
	words := splitWords(string(sd.Name()))
	last := len(words) - 1
	if last < 1 || !strings.EqualFold(words[last], "service") {
		return camel(string(sd.Name()))
	}
	resource := strings.Join(words[:last], "_")
	if returns(sd, pascal(resource)) {
		resource = plural(resource)
	}
	return camel(resource)
}

// returns reports whether methods of a service return messages of that name, alone or as a field of their response.
func returns(sd protoreflect.ServiceDescriptor, message string) bool {
	for i := range sd.Methods().Len() {
		output := sd.Methods().Get(i).Output()
		if string(output.Name()) == message {
			return true
		}
		for j := range output.Fields().Len() {
			if md := output.Fields().Get(j).Message(); md != nil && string(md.Name()) == message {
				return true
			}
		}
	}
	return false
}

// plural returns the plural of an English noun, by the regular rules.
func plural(noun string) string {
	lower := strings.ToLower(noun)
	for _, end := range []string{"s", "x", "z", "ch", "sh"} {
		if strings.HasSuffix(lower, end) {
			return noun + "es"
		}
	}
	if stem, ok := strings.CutSuffix(lower, "y"); ok && stem != "" && !strings.ContainsAny(stem[len(stem)-1:], "aeiou") {
		return noun[:len(noun)-1] + "ies"
	}
	return noun + "s"
}
