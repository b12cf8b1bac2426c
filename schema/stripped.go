package schema

import (
	"fmt"
	"slices"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// annotationsPath is the file that declares the rules of REST routes.
const annotationsPath = "google/api/annotations.proto"

// warnOfStrippedOptions reports a server whose files import the rules of REST routes, or come with a file that stands
// for them, and use them nowhere: servers that decode and encode descriptors lose the options of other files.
func (f *Files) warnOfStrippedOptions(standIn string) {
	importing := ""
	for _, file := range f.Set.GetFile() {
		if slices.ContainsFunc(file.GetService(), hasHTTPRule) {
			return
		}
		if importing == "" && len(file.GetService()) > 0 && slices.Contains(file.GetDependency(), annotationsPath) {
			importing = file.GetName()
		}
	}
	message := importing + " imports " + annotationsPath
	if importing == "" && standIn == "" {
		return
	}
	if importing == "" {
		message = fmt.Sprintf("the server has %s (as %s)", annotationsPath, standIn)
	}
	f.Problems = append(f.Problems, Problem{
		Severity: Warning,
		Message:  message + ", but no method has a rule; the server's reflection may strip options; use --descriptors or --proto",
	})
}

func hasHTTPRule(s *descriptorpb.ServiceDescriptorProto) bool {
	return slices.ContainsFunc(s.GetMethod(), func(m *descriptorpb.MethodDescriptorProto) bool {
		return m.GetOptions() != nil && proto.HasExtension(m.GetOptions(), annotations.E_Http)
	})
}
