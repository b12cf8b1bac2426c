package translate

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"

	"github.com/protean-gateway/protean/wire"
)

// oneofNotes say which fields of a message exclude each other. A schema could forbid
// it with a keyword for each pair; clients generated from that have types that nobody can use.
func oneofNotes(m *wire.Message) (notes []string) {
	md := m.Descriptor()
	for i := range md.Oneofs().Len() {
		od := md.Oneofs().Get(i)
		if od.IsSynthetic() {
			continue
		}
		rules, _ := proto.GetExtension(od.Options(), validatepb.E_Oneof).(*validatepb.OneofRules)
		var names []string
		for j := range od.Fields().Len() {
			names = append(names, m.FieldByNumber(od.Fields().Get(j).Number()).JSONName())
		}
		notes = append(notes, paragraphs(oneofNote(names, rules.GetRequired()), commentOf(od)))
	}
	rules, _ := proto.GetExtension(md.Options(), validatepb.E_Message).(*validatepb.MessageRules)
	for _, r := range rules.GetOneof() {
		var names []string
		for _, name := range r.GetFields() {
			if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
				names = append(names, m.FieldByNumber(fd.Number()).JSONName())
			}
		}
		notes = append(notes, oneofNote(names, r.GetRequired()))
	}
	return notes
}

func oneofNote(names []string, required bool) string {
	list := "`" + strings.Join(names, "`, `") + "`"
	switch {
	case len(names) == 0:
		return ""
	case required:
		return "Exactly one of " + list + " is set."
	default:
		return "At most one of " + list + " is set."
	}
}
