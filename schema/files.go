package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The limits of one backend's files. Imports that the gateway adds by itself do not count.
const (
	maxFilesBytes = 32 << 20
	maxFiles      = 5_000
	maxMessages   = 50_000
	maxFields     = 600_000 // extensions too
	maxNesting    = 32      // messages within messages
	maxMethods    = 12_000
	maxEnumValues = 100_000
	// What is compiled of these grows with the square of what one message or enum has, or with the
	// product of methods and the fields of their requests.
	maxMessageFields = 5_000
	maxOneEnumValues = 20_000
	maxRequestFields = 300_000 // of the requests of all methods, which may be the same
	maxImports       = 50_000
	maxOptionNesting = 100 // messages within the value of an option
	// Every problem and finding says paths and names; a long one times all elements would fill the memory.
	maxPathBytes = 1024
	maxNameBytes = 512 // of one identifier or package
)

// NewFiles makes the files of one backend out of raw descriptors in any order. It
// parses options again, so that extensions known to the gateway are set on them,
// mends what a Go program could not link otherwise (see repairFiles), leaves out
// files whose path came before, adds imports of google/api, google/rpc,
// google/protobuf, buf/validate and protean that are missing, and sorts.
//
// Services are the full names of the services that the backend serves, each of which must
// be in the set; nil means all that the files declare. Health and reflection are left out.
//
// The set is not changed or kept. An error says what is too large, malformed or missing;
// whether the files fit together shows only in [Compile].
func NewFiles(set *descriptorpb.FileDescriptorSet, services []string) (*Files, error) {
	files, err := newUsableFiles(set, services)
	if err == nil {
		err = files.Whole()
	}
	if err != nil {
		return nil, err
	}
	return files, nil
}

// Whole returns an error that names what of the source is missing, malformed or unusable; nil where
// nothing is. It is for those who accept all of a source or nothing.
func (f *Files) Whole() error {
	var errs []error
	for _, p := range f.Problems {
		if p.Severity == Error {
			errs = append(errs, errors.New(p.Summary()))
		}
	}
	return errors.Join(errs...)
}

// newUsableFiles is [NewFiles] for sources of which all is served that is usable: a file or a service at
// fault is a problem of the files. What is too large is an error.
//
// Problems are those that the source found before.
func newUsableFiles(set *descriptorpb.FileDescriptorSet, services []string, problems ...Problem) (*Files, error) {
	made := &Files{Problems: problems}
	files, err := made.parse(set)
	if err != nil {
		return nil, err
	}
	if err := checkLimits(files); err != nil {
		return nil, err
	}
	repairFiles(files)
	if files, err = made.sort(addKnownImports(files)); err != nil {
		return nil, err
	}
	made.Set = &descriptorpb.FileDescriptorSet{File: files}
	made.Services = made.selectServices(services)
	if made.Digest, err = digestFiles(made); err != nil {
		return nil, err
	}
	return made, nil
}

// maxFileProblems bounds the problems of one backend's source.
const maxFileProblems = 100

// report adds a problem that keeps something from being served.
func (f *Files) report(message string) {
	f.Problems = addProblem(f.Problems, Problem{Severity: Error, Message: message})
}

// addProblem appends a problem, within bounds.
func addProblem(problems []Problem, p Problem) []Problem {
	if len(problems) == maxFileProblems {
		return append(problems, Problem{Severity: Error, Message: "there are more problems like these"})
	}
	if len(problems) > maxFileProblems {
		return problems
	}
	return append(problems, p)
}

// parse copies the files, each path once, with known extensions set in their options.
func (f *Files) parse(set *descriptorpb.FileDescriptorSet) ([]*descriptorpb.FileDescriptorProto, error) {
	if n := proto.Size(set); n > maxFilesBytes {
		return nil, fmt.Errorf("the descriptors have %d bytes; the limit is %d", n, maxFilesBytes)
	}
	seen := make(map[string]bool)
	var files []*descriptorpb.FileDescriptorProto
	for _, raw := range set.GetFile() {
		if err := checkPath(raw.GetName()); err != nil {
			f.report(err.Error())
			continue
		}
		if seen[raw.GetName()] {
			continue
		}
		seen[raw.GetName()] = true
		file, err := parseFile(raw)
		if err != nil {
			f.report(err.Error())
			continue
		}
		files = append(files, file)
	}
	return files, nil
}

// checkPath refuses paths that could not be shown in a message.
func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("a file has no path")
	case len(path) > maxPathBytes:
		return fmt.Errorf("the path of a file has %d bytes; the limit is %d", len(path), maxPathBytes)
	case !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl):
		return fmt.Errorf("the path of file %q has characters that are not text", path)
	}
	return nil
}

// parseFile goes through bytes because options may hold extensions as unknown
// fields or as dynamic messages, and only parsing makes them the linked types.
func parseFile(raw *descriptorpb.FileDescriptorProto) (*descriptorpb.FileDescriptorProto, error) {
	text, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", raw.GetName(), plainError(err))
	}
	file := new(descriptorpb.FileDescriptorProto)
	options := proto.UnmarshalOptions{AllowPartial: true, RecursionLimit: maxNesting + maxOptionNesting}
	if err := options.Unmarshal(text, file); err != nil {
		return nil, fmt.Errorf("%s: options cannot be read: %s", raw.GetName(), plainError(err))
	}
	return file, nil
}

// plainError returns the text of an error of the protobuf module without its
// prefix and with ordinary spaces; the module varies both from build to build.
func plainError(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimPrefix(text, "proto: ")
}

// size counts what the limits bound.
type size struct {
	messages, fields, imports, nesting, name            int
	methods, values, messageFields, enumValues, request int
	fieldsOf                                            map[string]int // by the full name of a message, with a leading dot
}

func checkLimits(files []*descriptorpb.FileDescriptorProto) error {
	if len(files) > maxFiles {
		return fmt.Errorf("there are %d files; the limit is %d", len(files), maxFiles)
	}
	s := size{fieldsOf: make(map[string]int)}
	for _, f := range files {
		s.imports += len(f.GetDependency()) + len(f.GetOptionDependency())
		s.fields += len(f.GetExtension())
		s.add(scopeOf(f), f.GetMessageType(), 1)
		s.addNames(f)
	}
	for _, f := range files {
		s.addMethods(f.GetService())
	}
	switch {
	case s.methods > maxMethods:
		return fmt.Errorf("there are %d methods; the limit is %d", s.methods, maxMethods)
	case s.values > maxEnumValues:
		return fmt.Errorf("there are %d values of enums; the limit is %d", s.values, maxEnumValues)
	case s.messageFields > maxMessageFields:
		return fmt.Errorf("a message has %d fields; the limit is %d", s.messageFields, maxMessageFields)
	case s.enumValues > maxOneEnumValues:
		return fmt.Errorf("an enum has %d values; the limit is %d", s.enumValues, maxOneEnumValues)
	case s.request > maxRequestFields:
		return fmt.Errorf("the requests of all methods have %d fields; the limit is %d", s.request, maxRequestFields)
	case s.name > maxNameBytes:
		return fmt.Errorf("a name has %d bytes; the limit is %d", s.name, maxNameBytes)
	case s.messages > maxMessages:
		return fmt.Errorf("there are %d messages; the limit is %d", s.messages, maxMessages)
	case s.fields > maxFields:
		return fmt.Errorf("there are %d fields; the limit is %d", s.fields, maxFields)
	case s.nesting > maxNesting:
		return fmt.Errorf("messages are nested %d deep; the limit is %d", s.nesting, maxNesting)
	case s.imports > maxImports:
		return fmt.Errorf("there are %d imports; the limit is %d", s.imports, maxImports)
	}
	return nil
}

// scopeOf returns a file's package as references to its types begin.
func scopeOf(f *descriptorpb.FileDescriptorProto) string {
	if f.GetPackage() == "" {
		return ""
	}
	return "." + f.GetPackage()
}

func (s *size) addMethods(services []*descriptorpb.ServiceDescriptorProto) {
	for _, service := range services {
		s.methods += len(service.GetMethod())
		for _, m := range service.GetMethod() {
			s.request += s.fieldsOf[m.GetInputType()]
		}
	}
}

func (s *size) add(scope string, messages []*descriptorpb.DescriptorProto, depth int) {
	if len(messages) == 0 {
		return
	}
	s.nesting = max(s.nesting, depth)
	s.messages += len(messages)
	for _, m := range messages {
		s.fields += len(m.GetField()) + len(m.GetExtension())
		s.name = max(s.name, len(m.GetName()))
		s.addFields(m.GetField(), m.GetExtension())
		s.addEnums(m.GetEnumType())
		for _, o := range m.GetOneofDecl() {
			s.name = max(s.name, len(o.GetName()))
		}
		s.messageFields = max(s.messageFields, len(m.GetField()))
		name := scope + "." + m.GetName()
		s.fieldsOf[name] = len(m.GetField())
		s.add(name, m.GetNestedType(), depth+1)
	}
}

// addNames takes the names of a file that are not within messages.
func (s *size) addNames(f *descriptorpb.FileDescriptorProto) {
	s.name = max(s.name, len(f.GetPackage()))
	s.addFields(f.GetExtension())
	s.addEnums(f.GetEnumType())
	for _, service := range f.GetService() {
		s.name = max(s.name, len(service.GetName()))
		for _, m := range service.GetMethod() {
			s.name = max(s.name, len(m.GetName()))
		}
	}
}

func (s *size) addFields(lists ...[]*descriptorpb.FieldDescriptorProto) {
	for _, f := range slices.Concat(lists...) {
		s.name = max(s.name, len(f.GetName()), len(f.GetJsonName()))
	}
}

func (s *size) addEnums(enums []*descriptorpb.EnumDescriptorProto) {
	for _, e := range enums {
		s.values += len(e.GetValue())
		s.enumValues = max(s.enumValues, len(e.GetValue()))
		s.name = max(s.name, len(e.GetName()))
		for _, v := range e.GetValue() {
			s.name = max(s.name, len(v.GetName()))
		}
	}
}

// DeclareMore reports whether the files declare services that are not among [Files.Services].
func (f *Files) DeclareMore() bool {
	all := (&Files{Set: f.Set}).selectServices(nil)
	return len(all) > len(f.Services)
}

// declaredServices returns the services that files declare.
func declaredServices(files []*descriptorpb.FileDescriptorProto) map[string]bool {
	declared := make(map[string]bool)
	for _, name := range servicesOf(files) {
		declared[name] = true
	}
	return declared
}

// selectServices returns the wanted services that are declared, sorted. Nil wants all.
func (f *Files) selectServices(wanted []string) []string {
	declared := declaredServices(f.Set.GetFile())
	var names []string
	for _, name := range wanted {
		if !declared[name] {
			f.report(fmt.Sprintf("no file declares the service %q", name))
			continue
		}
		names = append(names, name)
	}
	if wanted == nil {
		names = slices.Collect(maps.Keys(declared))
	}
	names = slices.DeleteFunc(names, isInfrastructure)
	slices.Sort(names)
	return slices.Compact(names)
}

// isInfrastructure reports whether a service tells about its server. The gateway
// has its own, and a client must not reach those of a backend through it.
func isInfrastructure(service string) bool {
	return strings.HasPrefix(service, "grpc.reflection.") || strings.HasPrefix(service, "grpc.health.")
}

// join makes a full name of a scope, which may be empty, and a name.
func join(scope, name string) string {
	if scope == "" {
		return name
	}
	return scope + "." + name
}

func digestFiles(f *Files) (string, error) {
	text, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(f.Set)
	if err != nil {
		return "", fmt.Errorf("descriptors: %s", plainError(err))
	}
	h := sha256.New()
	writeDigest(h, text)
	for _, s := range f.Services {
		writeDigest(h, []byte(s))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
