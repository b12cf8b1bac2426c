package schematest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// generator writes one file of one backend.
type generator struct {
	*rand.Rand
	name       string
	proto2     bool
	pkg        string
	used       map[string]bool // full names
	types      []declared
	extendable []string // messages, with a leading dot
	spots      int      // for comments
	info       *descriptorpb.SourceCodeInfo
}

// declared is a type that fields may have.
type declared struct {
	name string // with a leading dot
	enum bool
}

var (
	packages   = []string{"shared.v1", "shared.v1", "shared.v1", "shared.v1.Thing", "__p", ""}
	typeNames  = []string{"Thing", "Other", "Kind", "Request", "ThingInput", "ThingKindCase", "Query", "Node", "PageInfo", "__Odd", "_2nd", "true", "JSON", "_", "google", "ThingConnection"}
	nestedName = []string{"kind", "Kind", "fooBar", "FooBar", "value", "entries", "_2fa"}
	fieldNames = []string{
		"name", "id", "kind", "foo_bar", "fooBar", "foo__bar", "FooBar", "value", "true", "True", "null", "__x", "_2fa", "_", "__", "input", "first", "after",
		"page_size", "page_token", "next_page_token", "total_size", "update_mask", "read_mask", "thing", "things", "names", "kind_case", "key", "node", "a", "A", "typename",
	}
	oneofNames  = []string{"kind", "which", "_2fa", "foo_bar", "fooBar", "true", "__x", "_", "__", "first", "value"}
	valueNames  = []string{"ZERO", "ONE", "true", "null", "__X", "UNRECOGNIZED", "_2", "Zero"}
	jsonNames   = []string{"2fa", "a-b", "__typename", "", "fooBar", "kind", "input", "@type", "\"", "é", "_", "name", "whichCase"}
	methodNames = []string{"GetThing", "getThing", "get_thing", "ListThings", "BatchGetThings", "UpdateThing", "Get", "_", "__m", "_2", "Node", "WatchThing", "DeleteThing", "Service"}
	graphNames  = []string{"", "", "Thing", "true", "__Name", "2nd", "a b", "Query", "Int", "Named", "thing"}
	options     = []string{"@tag(name: \"x\")", "@shareable", "@", "@key(fields: \"name\")", "} type X {", "@inaccessible # x", "@unknown"}
	comments    = []string{" A comment.\n", " With \"\"\" and \\ and \x00\x1b\x7f.\n", " Ends with \"", " \xff\xfe not UTF-8\n", " two\n lines\r\n\u2028\n"}
)

func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

// free reports whether a scope has no such name yet, and takes it.
func (g *generator) free(scope, name string) bool {
	full := scope + "." + name
	if g.used[full] {
		return false
	}
	g.used[full] = true
	return true
}

func (g *generator) file() *descriptorpb.FileDescriptorProto {
	g.proto2 = g.chance(3)
	g.pkg = pick(g, packages)
	g.used = make(map[string]bool)
	g.info = new(descriptorpb.SourceCodeInfo)
	f := &descriptorpb.FileDescriptorProto{
		Name: proto.String(pick(g, []string{"shared.proto", g.name + ".proto"})), Package: proto.String(g.pkg), Syntax: proto.String("proto3"),
		Dependency: []string{
			"google/api/annotations.proto", "google/api/field_behavior.proto", "google/api/resource.proto", "google/protobuf/any.proto", "google/protobuf/empty.proto",
			"google/protobuf/field_mask.proto", "google/protobuf/struct.proto", "google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto", "protean/options/v1/options.proto",
		},
		SourceCodeInfo: g.info,
	}
	if g.proto2 {
		f.Syntax = proto.String("proto2")
	}
	if g.chance(4) {
		o := &optionsv1.FileOptions{GraphqlTypePrefix: proto.String(pick(g, graphNames))}
		if g.chance(3) {
			o.GraphqlSchemaDirectives = []string{pick(g, options)}
			o.GraphqlDirectiveDefinitions = []string{pick(g, []string{"directive @unknown on OBJECT", "type X { a: Int }", "directive @__x on OBJECT"})}
		}
		f.Options = new(descriptorpb.FileOptions)
		proto.SetExtension(f.Options, optionsv1.E_File, o)
	}
	scope := ""
	if g.pkg != "" {
		scope = "." + g.pkg
	}
	g.declare(f, scope)
	for i, m := range f.GetMessageType() {
		g.comment(4, int32(i))
		g.fill(m, scope)
	}
	for range g.IntN(2) * g.IntN(3) {
		if x := g.extension(scope); x != nil {
			f.Extension = append(f.Extension, x)
		}
	}
	for range 1 + g.IntN(2) {
		if s := g.service(scope); s != nil {
			f.Service = append(f.Service, s)
		}
	}
	return f
}

// declare declares types, of which names decide no kind.
func (g *generator) declare(f *descriptorpb.FileDescriptorProto, scope string) {
	for range 3 + g.IntN(5) {
		name := pick(g, typeNames[:1+g.IntN(len(typeNames))])
		if !g.free(scope, name) {
			continue
		}
		if g.chance(3) {
			f.EnumType = append(f.EnumType, g.enum(scope, name))
			continue
		}
		f.MessageType = append(f.MessageType, g.message(scope, name, 1))
	}
	if len(f.GetMessageType()) == 0 {
		g.used[scope+".Message"] = true
		f.MessageType = append(f.MessageType, g.message(scope, "Message", 1))
	}
}

func (g *generator) enum(scope, name string) *descriptorpb.EnumDescriptorProto {
	g.types = append(g.types, declared{scope + "." + name, true})
	e := &descriptorpb.EnumDescriptorProto{Name: proto.String(name)}
	prefix := strings.ToUpper(name) + "_"
	bare := map[string]bool{"none": true} // proto3 compares names without case and prefix
	for i := range 1 + g.IntN(4) {
		value := prefix + pick(g, valueNames)
		if g.chance(4) {
			value = pick(g, valueNames)
		}
		key := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(value, prefix), "_", ""))
		if (g.proto2 || !bare[key]) && g.free(scope, value) {
			bare[key] = true
			e.Value = append(e.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(value), Number: proto.Int32(int32(i))}) //nolint:gosec // small
		}
	}
	if len(e.Value) == 0 || e.Value[0].GetNumber() != 0 {
		zero := prefix + "NONE"
		g.used[scope+"."+zero] = true
		e.Value = append([]*descriptorpb.EnumValueDescriptorProto{{Name: proto.String(zero), Number: proto.Int32(0)}}, e.Value...)
	}
	if g.chance(6) {
		e.Options = new(descriptorpb.EnumOptions)
		proto.SetExtension(e.Options, optionsv1.E_Enum, &optionsv1.EnumOptions{GraphqlName: proto.String(pick(g, graphNames)), Directives: []string{pick(g, options)}})
	}
	return e
}

// message declares a message and the types in it; its fields come when all types are known.
func (g *generator) message(scope, name string, depth int) *descriptorpb.DescriptorProto {
	full := scope + "." + name
	g.types = append(g.types, declared{full, false})
	m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
	for range g.IntN(2) * depth {
		inside := pick(g, nestedName)
		if !g.free(full, inside) {
			continue
		}
		if g.chance(2) {
			m.EnumType = append(m.EnumType, g.enum(full, inside))
		} else {
			m.NestedType = append(m.NestedType, g.message(full, inside, depth-1))
		}
	}
	if g.proto2 && g.chance(2) {
		g.extendable = append(g.extendable, full)
		m.ExtensionRange = []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(100), End: proto.Int32(200)}}
	}
	return m
}

// comment puts a comment on an element.
func (g *generator) comment(path ...int32) {
	if g.chance(3) {
		g.spots++
		g.info.Location = append(g.info.Location, &descriptorpb.SourceCodeInfo_Location{
			Path: path, Span: []int32{int32(g.spots), 0, 1}, LeadingComments: proto.String(pick(g, comments)), //nolint:gosec // small
		})
	}
}

// fill gives a message and those in it fields, oneofs and options.
func (g *generator) fill(m *descriptorpb.DescriptorProto, scope string) {
	full := scope + "." + m.GetName()
	for _, inside := range m.GetNestedType() {
		if !inside.GetOptions().GetMapEntry() {
			g.fill(inside, full)
		}
	}
	for range g.IntN(3) {
		if name := pick(g, oneofNames); g.free(full, name) {
			m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(name)})
		}
	}
	oneofs := len(m.GetOneofDecl())
	filled := make([]bool, oneofs)
	for number := int32(1); number <= int32(g.IntN(7)+oneofs); number++ { //nolint:gosec // small
		name := pick(g, fieldNames)
		if !g.free(full, name) {
			continue
		}
		fd := g.field(m, full, name, number)
		if oneof := g.IntN(2 * max(oneofs, 1)); fd.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL && oneof < oneofs {
			fd.OneofIndex, filled[oneof] = proto.Int32(int32(oneof)), true //nolint:gosec // small
		}
		m.Field = append(m.Field, fd)
	}
	for i, some := range filled {
		if name := fmt.Sprint("member", i); !some {
			m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
				Name: proto.String(name), Number: proto.Int32(int32(50 + i)), OneofIndex: proto.Int32(int32(i)), //nolint:gosec // small
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			})
		}
	}
	slices.SortStableFunc(m.Field, func(x, y *descriptorpb.FieldDescriptorProto) int { return cmp.Compare(oneofOf(x), oneofOf(y)) })
	if g.chance(2) {
		m.Options = g.messageOptions(m, full)
	}
}

// oneofOf returns the index of a field's oneof, whose members must be declared one after the other, or -1.
func oneofOf(fd *descriptorpb.FieldDescriptorProto) int32 {
	if fd.OneofIndex == nil {
		return -1
	}
	return fd.GetOneofIndex()
}

var scalars = []descriptorpb.FieldDescriptorProto_Type{
	descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT32,
	descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_BYTES, descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, descriptorpb.FieldDescriptorProto_TYPE_BOOL,
}

var known = []string{".google.protobuf.Any", ".google.protobuf.Empty", ".google.protobuf.FieldMask", ".google.protobuf.Struct", ".google.protobuf.Value", ".google.protobuf.Timestamp", ".google.protobuf.Int64Value"}

// usual are the types that conventions give to fields of these names.
var usual = map[string]descriptorpb.FieldDescriptorProto_Type{
	"name": descriptorpb.FieldDescriptorProto_TYPE_STRING, "page_size": descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"page_token": descriptorpb.FieldDescriptorProto_TYPE_STRING, "next_page_token": descriptorpb.FieldDescriptorProto_TYPE_STRING,
}

func (g *generator) setType(fd *descriptorpb.FieldDescriptorProto) {
	t, conventional := usual[fd.GetName()]
	switch {
	case conventional && !g.chance(6):
		fd.Type = t.Enum()
	case strings.HasSuffix(fd.GetName(), "_mask") && !g.chance(6):
		fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".google.protobuf.FieldMask")
	case g.chance(6):
		fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(pick(g, known))
	case g.chance(3):
		fd.Type = pick(g, scalars).Enum()
	default:
		of := pick(g, g.types)
		fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(of.name)
		if of.enum {
			fd.Type = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum()
		}
	}
}

func (g *generator) field(m *descriptorpb.DescriptorProto, scope, name string, number int32) *descriptorpb.FieldDescriptorProto {
	fd := &descriptorpb.FieldDescriptorProto{
		Name: proto.String(name), Number: proto.Int32(number), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	g.setType(fd)
	switch entry := mapEntryName(name); {
	case name == "things" || name == "names" || g.chance(5):
		fd.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	case g.chance(8) && g.free(scope, entry):
		g.makeMap(m, fd, scope, entry)
	case g.proto2 && g.chance(8):
		fd.Label = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum()
	}
	if g.chance(6) {
		fd.JsonName = proto.String(pick(g, jsonNames))
	}
	fd.Options = g.fieldOptions()
	return fd
}

// mapEntryName returns the name that the entries of a map must have.
func mapEntryName(name string) string {
	var b strings.Builder
	upper := true
	for _, c := range name {
		switch {
		case c == '_':
			upper = true
		case upper:
			b.WriteString(strings.ToUpper(string(c)))
			upper = false
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + "Entry"
}

func (g *generator) makeMap(m *descriptorpb.DescriptorProto, fd *descriptorpb.FieldDescriptorProto, scope, entry string) {
	value := proto.CloneOf(fd)
	value.Name, value.Number = proto.String("value"), proto.Int32(2)
	m.NestedType = append(m.NestedType, &descriptorpb.DescriptorProto{
		Name: proto.String(entry), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
		Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("key"), Number: proto.Int32(1), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		}, value},
	})
	fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(scope+"."+entry)
	fd.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
}

func (g *generator) fieldOptions() *descriptorpb.FieldOptions {
	if !g.chance(3) {
		return nil
	}
	o := &descriptorpb.FieldOptions{Deprecated: proto.Bool(g.chance(3))}
	if g.chance(2) {
		proto.SetExtension(o, annotations.E_FieldBehavior, []annotations.FieldBehavior{annotations.FieldBehavior(2 + g.IntN(6))}) //nolint:gosec // small
	}
	if g.chance(4) {
		proto.SetExtension(o, annotations.E_ResourceReference, &annotations.ResourceReference{Type: "x.example/" + pick(g, typeNames[:3])})
	}
	if g.chance(3) {
		ours := &optionsv1.FieldOptions{}
		switch g.IntN(6) {
		case 0:
			ours.Id = proto.Bool(true)
		case 1:
			ours.Hidden = proto.Bool(true)
		case 2:
			ours.Deniable = proto.Bool(true)
		case 3:
			ours.AsJson = proto.Bool(true)
		case 4:
			ours.NonNull = proto.Bool(true)
		default:
			ours.Directives = []string{pick(g, options)}
		}
		proto.SetExtension(o, optionsv1.E_Field, ours)
	}
	return o
}

func (g *generator) messageOptions(m *descriptorpb.DescriptorProto, full string) *descriptorpb.MessageOptions {
	o := new(descriptorpb.MessageOptions)
	if g.chance(2) {
		proto.SetExtension(o, annotations.E_Resource, &annotations.ResourceDescriptor{Type: "x.example/" + m.GetName(), Pattern: []string{"things/{thing}"}})
	}
	ours := &optionsv1.MessageOptions{}
	if g.chance(3) {
		ours.GraphqlName = proto.String(pick(g, graphNames))
	}
	if g.chance(2) {
		ours.Unions = []string{pick(g, oneofNames)}
	}
	for _, od := range m.GetOneofDecl() {
		if g.chance(3) {
			ours.Unions = append(ours.Unions, od.GetName())
		}
	}
	method := strings.TrimPrefix(full[:strings.LastIndexByte(full, '.')]+".S0."+pick(g, methodNames[:5]), ".")
	if g.chance(4) {
		ours.Joins = []*optionsv1.Join{{
			Field: proto.String(pick(g, fieldNames)), Method: &method, Key: proto.String("name"), Argument: proto.String("name"), Description: proto.String(pick(g, comments[:3])),
		}}
	}
	if g.chance(4) {
		ours.Entities = []*optionsv1.Entity{{Key: proto.String("name"), Method: &method, Argument: proto.String("name")}}
	}
	if g.chance(6) {
		ours.Directives = []string{pick(g, options)}
	}
	proto.SetExtension(o, optionsv1.E_Message, ours)
	return o
}

func (g *generator) extension(scope string) *descriptorpb.FieldDescriptorProto {
	if !g.proto2 {
		return nil
	}
	name := pick(g, fieldNames)
	if len(g.extendable) == 0 || !g.free(scope, name) {
		return nil
	}
	fd := g.field(&descriptorpb.DescriptorProto{}, scope, name, int32(100+g.IntN(3))) //nolint:gosec // small
	fd.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	fd.Extendee, fd.JsonName = proto.String(pick(g, g.extendable)), nil
	fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), nil
	return fd
}

func httpGet(path string) *descriptorpb.MethodOptions {
	o := new(descriptorpb.MethodOptions)
	proto.SetExtension(o, annotations.E_Http, &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: path}})
	return o
}

func (g *generator) service(scope string) *descriptorpb.ServiceDescriptorProto {
	name := pick(g, []string{"S0", "S0", "S1", "__S", "Thing"})
	if !g.free(scope, name) {
		return nil
	}
	s := &descriptorpb.ServiceDescriptorProto{Name: proto.String(name)}
	for range 1 + g.IntN(5) {
		name := pick(g, methodNames)
		input, output := g.messageName(), g.messageName()
		if !g.free(scope+"."+s.GetName(), name) || input == "" || output == "" {
			continue
		}
		s.Method = append(s.Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: proto.String(input), OutputType: proto.String(output),
			ClientStreaming: proto.Bool(g.chance(6)), ServerStreaming: proto.Bool(g.chance(5)), Options: g.methodOptions(),
		})
	}
	if g.chance(4) {
		s.Options = new(descriptorpb.ServiceOptions)
		proto.SetExtension(s.Options, optionsv1.E_Service, &optionsv1.ServiceOptions{Graphql: &optionsv1.GraphQLService{Prefix: proto.String(pick(g, graphNames))}})
	}
	return s
}

func (g *generator) messageName() string {
	if g.chance(8) {
		return pick(g, known)
	}
	for range 10 {
		if t := pick(g, g.types); !t.enum {
			return t.name
		}
	}
	return ""
}

func (g *generator) methodOptions() *descriptorpb.MethodOptions {
	o := new(descriptorpb.MethodOptions)
	if g.chance(3) {
		o = httpGet(pick(g, []string{"/v1/{name=things/*}", "/v1/things", "/v1/{name}:do", "/{name=**}", "/v1/{foo_bar}", "/v1/{", "", "/unrelated/{name}"}))
	}
	if g.chance(3) {
		o.IdempotencyLevel = descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()
	}
	ours := &optionsv1.GraphQLMethod{}
	if g.chance(4) {
		ours.Name = proto.String(pick(g, graphNames))
	}
	if g.chance(5) {
		ours.Connection = proto.Bool(true)
	}
	if g.chance(6) {
		ours.Unwrap = proto.String(pick(g, fieldNames))
	}
	if g.chance(6) {
		ours.Collect = proto.Uint32(10)
	}
	if g.chance(6) {
		ours.Directives = []string{pick(g, options)}
	}
	if g.chance(4) {
		ours.Operation = optionsv1.GraphQLMethod_Operation(g.IntN(4)).Enum() //nolint:gosec // small
	}
	proto.SetExtension(o, optionsv1.E_Method, &optionsv1.MethodOptions{Graphql: ours})
	return o
}
