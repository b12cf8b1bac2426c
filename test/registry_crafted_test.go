package test

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

type (
	file    = descriptorpb.FileDescriptorProto
	message = descriptorpb.DescriptorProto
	field   = descriptorpb.FieldDescriptorProto
)

// crafted are sets of files that fit together badly, or well and at a price: each asks for much with
// few bytes, or is at the edge of what protobuf allows.
var crafted = map[string]func() []*file{
	"files that import each other": func() []*file {
		a, b := soundFile(), &file{Name: proto.String("b.proto"), Package: proto.String("b"), Syntax: proto.String("proto3")}
		a.Dependency, b.Dependency = []string{"b.proto"}, []string{"h.proto"}
		return []*file{a, b}
	},
	"a ring of a thousand files": func() []*file {
		files := []*file{soundFile()}
		for i := range 1000 {
			files = append(files, &file{Name: proto.String(fmt.Sprint("r", i, ".proto")), Dependency: []string{fmt.Sprint("r", (i+1)%1000, ".proto")}})
		}
		return files
	},
	"a file twice":                 func() []*file { return []*file{soundFile(), soundFile()} },
	"a file of every other's path": func() []*file { return []*file{soundFile(), {Name: proto.String("h.proto")}} },
	"files too many":               func() []*file { return empty(2500) },
	"files as many as may be":      func() []*file { return append(empty(1900), soundFile()) },
	"imports of all by all":        importsOfAll,
	"public imports in a chain":    publicChain,
	"google/protobuf/any.proto":    func() []*file { return posing("google/protobuf/any.proto", "google.protobuf", "Any") },
	"google/api/annotations.proto": func() []*file { return posing("google/api/annotations.proto", "google.api", "HttpRule") },
	"protean/options/v1": func() []*file {
		return posing("protean/options/v1/options.proto", "protean.options.v1", "MethodOptions")
	},
	"the admin service":             func() []*file { return posing("protean/admin/v1/admin.proto", "protean.admin.v1", "Revision") },
	"another google.protobuf.Any":   func() []*file { return posing("mine.proto", "google.protobuf", "Any") },
	"a service of reflection":       func() []*file { return renamed("grpc.reflection.v1", "ServerReflection") },
	"a service of health":           func() []*file { return renamed("grpc.health.v1", "Health") },
	"names that begin with a digit": func() []*file { return renamed("h", "9Things") },
	"names of bad UTF-8":            func() []*file { return renamed("h", "Th\xffings") },
	"names of Unicode":              func() []*file { return renamed("h", "Dinge\u00e9\u202e") },
	"no package":                    func() []*file { return renamed("", "Things") },
	"a package of a keyword":        func() []*file { return renamed("package.message.import", "Things") },
	"MessageSet": func() []*file {
		f := proto2()
		f.MessageType[0].Field = nil
		f.MessageType[0].Options = &descriptorpb.MessageOptions{MessageSetWireFormat: proto.Bool(true)}
		f.MessageType[0].ExtensionRange = []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(4), End: proto.Int32(2147483647)}}
		return []*file{f}
	},
	"extensions up to max": func() []*file {
		f := proto2()
		f.MessageType[0].ExtensionRange = []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(2), End: proto.Int32(536870912)}}
		f.Extension = []*field{{
			Name: proto.String("last"), JsonName: proto.String("last"), Number: proto.Int32(536870911), Extendee: proto.String(".h.Thing"),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}
		return []*file{f}
	},
	"reserved up to max": func() []*file {
		f := soundFile()
		f.MessageType[0].ReservedRange = []*descriptorpb.DescriptorProto_ReservedRange{{Start: proto.Int32(2), End: proto.Int32(536870912)}}
		return []*file{f}
	},
	"reserved ranges that meet": func() []*file {
		f := soundFile()
		f.MessageType[0].ReservedRange = []*descriptorpb.DescriptorProto_ReservedRange{{Start: proto.Int32(1), End: proto.Int32(5)}, {Start: proto.Int32(4), End: proto.Int32(9)}}
		return []*file{f}
	},
	"reserved names in use": func() []*file {
		f := soundFile()
		f.MessageType[0].ReservedName = []string{"name", "name"}
		return []*file{f}
	},
	"a required message of itself": func() []*file {
		f := proto2()
		f.MessageType[0].Field = append(f.MessageType[0].Field, messageField("again", 2, ".h.Thing"))
		f.MessageType[0].Field[1].Label = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum()
		return []*file{f}
	},
	"a group": func() []*file {
		f := proto2()
		f.MessageType[0].NestedType = []*message{{Name: proto.String("Group")}}
		g := messageField("group", 2, ".h.Thing.Group")
		g.Type = descriptorpb.FieldDescriptorProto_TYPE_GROUP.Enum()
		f.MessageType[0].Field = append(f.MessageType[0].Field, g)
		return []*file{f}
	},
	"a default that is none": func() []*file {
		f := proto2()
		f.MessageType[0].Field[0].Type, f.MessageType[0].Field[0].DefaultValue = descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum(), proto.String("x")
		return []*file{f}
	},
	"a default of a megabyte": func() []*file {
		f := proto2()
		f.MessageType[0].Field[0].DefaultValue = proto.String(strings.Repeat("x", 1<<20))
		return []*file{f}
	},
	"a fully public enum": func() []*file { return enumOf(150_000, nil) },
	"an enum with an alias for all": func() []*file {
		return enumOf(20_000, &descriptorpb.EnumOptions{AllowAlias: proto.Bool(true)})
	},
	"an enum that proto3 does not begin with": func() []*file {
		files := enumOf(3, nil)
		files[0].EnumType[0].Value[0].Number = proto.Int32(-1)
		return files
	},
	"oneofs many":                     func() []*file { return oneofs(5_000) },
	"oneof without members":           func() []*file { return oneofs(0) },
	"services many":                   func() []*file { return services1(5_000) },
	"methods too many":                func() []*file { return methods(60_000, 1, "") },
	"methods many":                    func() []*file { return methods(3_000, 1, "") },
	"methods times fields":            func() []*file { return methods(2_500, 2_500, "") },
	"methods times query parameters":  func() []*file { return methods(2_500, 2_500, "/v1/m%d") },
	"routes many":                     func() []*file { return methods(3_000, 1, "/v1/m%d/{f0=a/*}") },
	"routes that all overlap":         func() []*file { return methods(2_000, 1, "/v1/{f0=**}/m%d") },
	"additional bindings many":        func() []*file { return bindings(40_000) },
	"bindings within bindings":        nestedBindings,
	"a chain of messages":             func() []*file { return chain(15_000, 1) },
	"a lattice of messages":           func() []*file { return chain(60, 8) },
	"a lattice as query parameters":   func() []*file { return routedLattice(40, 6) },
	"everything in everything":        func() []*file { return complete(300) },
	"maps in maps":                    mapsInMaps,
	"extensions many":                 func() []*file { return extensions(20_000) },
	"an extension of a number twice":  func() []*file { return extensions(0) },
	"options nested deep":             func() []*file { return deepOptions(90) },
	"options nested too deep":         func() []*file { return deepOptions(5_000) },
	"names that differ by case":       func() []*file { return colliding("thing", "Thing", "THING") },
	"names that GraphQL has":          func() []*file { return colliding("Query", "Mutation", "String", "__Type", "_Entity", "Int64", "JSON") },
	"names that others bring":         func() []*file { return colliding("ThingInput", "ThingEdge", "ThingConnection", "ThingPatchInput") },
	"json names of JSON":              func() []*file { return jsonNames("\"", "\\", "\n", "[a.b]", "", " ", "__typename", "a b", "\x00") },
	"json names that are other names": func() []*file { return jsonNames("f1", "f0", "f2") },
	"comments of a megabyte":          comments,
	"locations that lead nowhere":     locations,
}

func proto2() *file {
	f := soundFile()
	f.Syntax = proto.String("proto2")
	f.MessageType[0].Field[0].Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	return f
}

func empty(n int) (files []*file) {
	for i := range n {
		files = append(files, &file{Name: proto.String(fmt.Sprint("e", i, ".proto"))})
	}
	return files
}

func importsOfAll() []*file {
	files := empty(400)
	for i, f := range files {
		for j := range i {
			f.Dependency = append(f.Dependency, files[j].GetName())
		}
	}
	return append(files, soundFile())
}

func publicChain() []*file {
	files := empty(1500)
	for i := range files[1:] {
		files[i+1].Dependency, files[i+1].PublicDependency = []string{files[i].GetName()}, []int32{0}
	}
	last := soundFile()
	last.Dependency = []string{files[len(files)-1].GetName()}
	return append(files, last)
}

// posing is a file that says it is one that the gateway carries.
func posing(path, pkg, name string) []*file {
	f := soundFile()
	f.Name, f.Package = proto.String(path), proto.String(pkg)
	f.MessageType[0].Name = proto.String(name)
	f.Service[0].Method[0].InputType = proto.String("." + pkg + "." + name)
	f.Service[0].Method[0].OutputType = f.Service[0].Method[0].InputType
	return []*file{f}
}

func renamed(pkg, service string) []*file {
	f := soundFile()
	scope := "."
	if f.Package = nil; pkg != "" {
		f.Package, scope = proto.String(pkg), "."+pkg+"."
	}
	f.Service[0].Name = proto.String(service)
	f.Service[0].Method[0].InputType = proto.String(scope + "Thing")
	f.Service[0].Method[0].OutputType = proto.String(scope + "Thing")
	return []*file{f}
}

func messageField(name string, number int, typ string) *field {
	return &field{
		Name: proto.String(name), JsonName: proto.String(name), Number: proto.Int32(int32(number)), TypeName: proto.String(typ),
		Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
}

func enumOf(values int, options *descriptorpb.EnumOptions) []*file {
	f := soundFile()
	e := &descriptorpb.EnumDescriptorProto{Name: proto.String("E"), Options: options}
	for i := range values {
		number := int32(i)
		if options.GetAllowAlias() {
			number = 0
		}
		e.Value = append(e.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(fmt.Sprint("V", i)), Number: &number})
	}
	f.EnumType = append(f.EnumType, e)
	f.MessageType[0].Field = append(f.MessageType[0].Field, &field{
		Name: proto.String("e"), JsonName: proto.String("e"), Number: proto.Int32(2), TypeName: proto.String(".h.E"), Type: descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(),
	})
	return []*file{f}
}

func oneofs(n int) []*file {
	f := soundFile()
	m := f.MessageType[0]
	widen(m, n)
	for i := range n {
		m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(fmt.Sprint("o", i))})
		m.Field[i+1].OneofIndex = proto.Int32(int32(i))
	}
	if n == 0 {
		m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("o")})
	}
	return []*file{f}
}

func services1(n int) []*file {
	f := soundFile()
	for i := range n {
		s := proto.CloneOf(f.Service[0])
		s.Name = proto.String(fmt.Sprint("S", i))
		f.Service = append(f.Service, s)
	}
	return []*file{f}
}

// methods are so many with one request of so many fields, each with a route where there is a template.
func methods(n, fields int, template string) []*file {
	f := soundFile()
	f.MessageType = append(f.MessageType, &message{Name: proto.String("Wide")})
	for i := range fields {
		name := fmt.Sprint("f", i)
		f.MessageType[1].Field = append(f.MessageType[1].Field, &field{
			Name: &name, JsonName: &name, Number: proto.Int32(int32(i + 1)), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		})
	}
	if template != "" {
		f.Dependency = []string{"google/api/annotations.proto"}
	}
	for i := range n {
		m := &descriptorpb.MethodDescriptorProto{Name: proto.String(fmt.Sprint("Get", i)), InputType: proto.String(".h.Wide"), OutputType: proto.String(".h.Thing")}
		if template != "" {
			m.Options = rule(&annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: fmt.Sprintf(template, i)}})
		}
		f.Service[0].Method = append(f.Service[0].Method, m)
	}
	return []*file{f}
}

func rule(r *annotations.HttpRule) *descriptorpb.MethodOptions {
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, annotations.E_Http, r)
	return options
}

func bindings(n int) []*file {
	f := soundFile()
	f.Dependency = []string{"google/api/annotations.proto"}
	r := &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/v1/first"}}
	for i := range n {
		r.AdditionalBindings = append(r.AdditionalBindings, &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: fmt.Sprint("/v1/b", i)}})
	}
	f.Service[0].Method[0].Options = rule(r)
	return []*file{f}
}

func nestedBindings() []*file {
	f := soundFile()
	f.Dependency = []string{"google/api/annotations.proto"}
	r := &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/v1/x"}}
	for range 60 {
		r = &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/v1/x"}, AdditionalBindings: []*annotations.HttpRule{r}}
	}
	f.Service[0].Method[0].Options = rule(r)
	return []*file{f}
}

// chain are messages of which each has so many fields of the next one.
func chain(length, width int) []*file {
	f := soundFile()
	for i := range length {
		m := &message{Name: proto.String(fmt.Sprint("C", i))}
		for j := range width {
			if i+1 < length {
				m.Field = append(m.Field, messageField(fmt.Sprint("f", j), j+1, fmt.Sprint(".h.C", i+1)))
			}
		}
		f.MessageType = append(f.MessageType, m)
	}
	f.Service[0].Method[0].InputType, f.Service[0].Method[0].OutputType = proto.String(".h.C0"), proto.String(".h.C0")
	return []*file{f}
}

func routedLattice(length, width int) []*file {
	files := chain(length, width)
	files[0].Dependency = []string{"google/api/annotations.proto"}
	files[0].Service[0].Method[0].Options = rule(&annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/v1/lattice"}})
	return files
}

// complete are messages of which each has a field of every one.
func complete(n int) []*file {
	f := soundFile()
	for i := range n {
		m := &message{Name: proto.String(fmt.Sprint("C", i))}
		for j := range n {
			m.Field = append(m.Field, messageField(fmt.Sprint("f", j), j+1, fmt.Sprint(".h.C", j)))
		}
		f.MessageType = append(f.MessageType, m)
	}
	f.Service[0].Method[0].InputType, f.Service[0].Method[0].OutputType = proto.String(".h.C0"), proto.String(".h.C0")
	return []*file{f}
}

func mapsInMaps() []*file {
	f := soundFile()
	mapEntry(f.MessageType[0])
	entry := f.MessageType[0].NestedType[0]
	entry.Field = []*field{
		{Name: proto.String("key"), JsonName: proto.String("key"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
		messageField("value", 2, ".h.Thing.NameEntry"),
	}
	return []*file{f}
}

func extensions(n int) []*file {
	f := proto2()
	f.MessageType[0].ExtensionRange = []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(100), End: proto.Int32(536870912)}}
	numbers := []int{100, 100}
	for i := range n {
		numbers = append(numbers, 1000+i)
	}
	if n > 0 {
		numbers = numbers[2:]
	}
	for i, number := range numbers {
		name := fmt.Sprint("x", i)
		f.Extension = append(f.Extension, &field{
			Name: &name, JsonName: &name, Number: proto.Int32(int32(number)), Extendee: proto.String(".h.Thing"),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		})
	}
	return []*file{f}
}

// deepOptions have an unknown option whose value has messages within messages.
func deepOptions(depth int) []*file {
	f := soundFile()
	var value []byte
	for range depth {
		value = append(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.BytesType), uint64(len(value))), value...)
	}
	http := protowire.AppendBytes(protowire.AppendTag(nil, 72295728, protowire.BytesType), value)
	f.Service[0].Method[0].Options.ProtoReflect().SetUnknown(http)
	return []*file{f}
}

func colliding(names ...string) []*file {
	f := soundFile()
	for i, name := range names {
		f.MessageType = append(f.MessageType, &message{Name: proto.String(name), Field: []*field{messageField("thing", 1, ".h.Thing")}})
		f.Service[0].Method = append(f.Service[0].Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(fmt.Sprint("Get", i)), InputType: proto.String(".h." + name), OutputType: proto.String(".h." + name),
		})
	}
	return []*file{f}
}

func jsonNames(names ...string) []*file {
	f := soundFile()
	for i, name := range names {
		f.MessageType[0].Field = append(f.MessageType[0].Field, &field{
			Name: proto.String(fmt.Sprint("f", i)), JsonName: proto.String(name), Number: proto.Int32(int32(i + 2)), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		})
	}
	return []*file{f}
}

func comments() []*file {
	f := soundFile()
	f.SourceCodeInfo = &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
		{Path: []int32{6, 0, 2, 0}, Span: []int32{0, 0, 1}, LeadingComments: proto.String(strings.Repeat("*/ \"\"\" <script>\n", 1<<16))},
	}}
	return []*file{f}
}

func locations() []*file {
	f := soundFile()
	f.SourceCodeInfo = &descriptorpb.SourceCodeInfo{}
	for i := range int32(50_000) {
		f.SourceCodeInfo.Location = append(f.SourceCodeInfo.Location, &descriptorpb.SourceCodeInfo_Location{
			Path: []int32{-i, i, 1 << 30}, Span: []int32{-1, -1, -1, -1, -1},
		})
	}
	return []*file{f}
}
