package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// overlays puts the operator's options into the files of one backend after the other
// and remembers which of them found their element.
type overlays struct {
	list   []*configv1.Overlay
	fitted []bool         // by overlay: it fitted an element of some backend
	misfit []string       // by overlay: the kind of an element that it did not fit
	http   map[string]int // the last http rule of a selector, by its index
	// patterns are the indexes of http rules whose selectors are patterns.
	patterns []int
	// registered is the index of the first overlay that the admin API made of a field's policy.
	registered int
	fields     map[protoreflect.FullName]Said // policies of fields
	// positions of those overlays that have one.
	positions map[proto.Message]string
}

func newOverlays(in Input) *overlays {
	list := slices.Concat(in.Overlays, in.RegisteredFields)
	o := &overlays{
		list:       list,
		fitted:     make([]bool, len(list)),
		misfit:     make([]string, len(list)),
		http:       make(map[string]int),
		registered: len(in.Overlays),
		fields:     make(map[protoreflect.FullName]Said),

		positions: in.Positions,
	}
	for i, overlay := range list {
		if _, isPattern := httpPattern(overlay); isPattern {
			o.patterns = append(o.patterns, i)
		} else if overlay.GetHttp() != nil {
			o.http[overlay.GetSelector()] = i
		}
	}
	return o
}

// httpPosition returns where the http rule of a method stands that the last of the overlays gives it, or nothing.
func (o *overlays) httpPosition(method string) string {
	last, ok := o.http[method]
	if !ok {
		last = -1
	}
	for _, i := range o.patterns {
		if prefix, _ := httpPattern(o.list[i]); strings.HasPrefix(method, prefix) {
			last = max(last, i)
		}
	}
	if last < 0 {
		return ""
	}
	return cmp.Or(o.positions[o.list[last]], overlayPosition)
}

// overlaid are files with the options merged in, and how the overlays fitted.
type overlaid struct {
	files  []*descriptorpb.FileDescriptorProto
	fitted []int          // overlays that fitted an element
	misfit map[int]string // by overlay: the kind of an element that it did not fit
}

// apply returns the files with the options merged in. It does not change files.
func (o *overlays) apply(files []*descriptorpb.FileDescriptorProto) overlaid {
	if len(o.list) == 0 {
		return overlaid{files: files}
	}
	copied := make([]*descriptorpb.FileDescriptorProto, len(files))
	for i, f := range files {
		copied[i] = proto.CloneOf(f)
	}
	applied := overlaid{files: copied, misfit: make(map[int]string)}
	elements := indexElements(copied)
	for i, overlay := range o.list {
		for _, element := range elements.selected(overlay) {
			kind := kindOf(element)
			if misfit(overlay, kind) != "" {
				applied.misfit[i] = kind
				continue
			}
			mergeOverlay(overlay, element)
			applied.fitted = append(applied.fitted, i)
		}
	}
	return applied
}

// note remembers which overlays found their element.
func (o *overlays) note(applied overlaid) {
	for _, i := range applied.fitted {
		o.fitted[i] = true
		if policy := o.list[i].GetField().GetPolicy(); policy != nil {
			o.fields[protoreflect.FullName(o.list[i].GetSelector())] = Said{
				By: o.originOf(i), Selector: o.list[i].GetSelector(), Position: cmp.Or(o.positions[policy], o.positions[o.list[i]]),
			}
		}
	}
	for i, kind := range applied.misfit {
		o.misfit[i] = kind
	}
}

func (o *overlays) originOf(i int) Origin {
	if i >= o.registered {
		return ByRegistration
	}
	return ByOperator
}

// problems returns a problem for each overlay that found nothing to say its options of.
func (o *overlays) problems() []Problem {
	var problems []Problem
	for i, overlay := range o.list {
		if o.fitted[i] {
			continue
		}
		message := "the overlay's selector names nothing in any backend's files"
		if kind := o.misfit[i]; kind != "" {
			message = fmt.Sprintf("the overlay's selector names %s, which takes no `%s`", nouns[kind], misfit(overlay, kind))
		}
		severity := Error
		if o.originOf(i) == ByRegistration {
			severity, message = Warning, "the policy's selector names no field that is served"
		}
		problems = append(problems, Problem{
			Severity: severity,
			Element:  overlay.GetSelector(),
			Position: o.positions[overlay],
			Message:  message,
		})
	}
	return problems
}

// The kinds of elements, named as the overlay's options for them are.
const (
	fileKind    = "file"
	serviceKind = "service"
	methodKind  = "method"
	messageKind = "message"
	fieldKind   = "field"
	enumKind    = "enum"
)

var nouns = map[string]string{
	fileKind:    "a package",
	serviceKind: "a service",
	methodKind:  "a method",
	messageKind: "a message",
	fieldKind:   "a field",
	enumKind:    "an enum",
}

// misfit returns the part of an overlay that does not fit a kind of element, or "".
func misfit(o *configv1.Overlay, kind string) string {
	if o.GetHttp() != nil && kind != methodKind {
		return "http"
	}
	if said := saidKind(o); said != kind {
		return said
	}
	return ""
}

// saidKind returns the kind of element that an overlay's options are for; "" where
// it has none.
func saidKind(o *configv1.Overlay) string {
	switch o.GetOptions().(type) {
	case *configv1.Overlay_File:
		return fileKind
	case *configv1.Overlay_Service:
		return serviceKind
	case *configv1.Overlay_Method:
		return methodKind
	case *configv1.Overlay_Message:
		return messageKind
	case *configv1.Overlay_Field:
		return fieldKind
	case *configv1.Overlay_Enum:
		return enumKind
	}
	return ""
}

func kindOf(element proto.Message) string {
	switch element.(type) {
	case *descriptorpb.FileDescriptorProto:
		return fileKind
	case *descriptorpb.ServiceDescriptorProto:
		return serviceKind
	case *descriptorpb.MethodDescriptorProto:
		return methodKind
	case *descriptorpb.DescriptorProto:
		return messageKind
	case *descriptorpb.FieldDescriptorProto:
		return fieldKind
	default:
		return enumKind
	}
}

// mergeOverlay says an overlay's options of an element that they fit. Policies stay
// out: the operator's are another origin than the file's, see policies.
func mergeOverlay(o *configv1.Overlay, element proto.Message) {
	switch e := element.(type) {
	case *descriptorpb.FileDescriptorProto:
		e.Options = orNew(e.Options)
		mergeOption(e.Options, optionsv1.E_File, o.GetFile())
	case *descriptorpb.ServiceDescriptorProto:
		e.Options = orNew(e.Options)
		mergeService(o, e.Options)
	case *descriptorpb.MethodDescriptorProto:
		e.Options = orNew(e.Options)
		mergeMethod(o, e.Options)
	case *descriptorpb.DescriptorProto:
		e.Options = orNew(e.Options)
		mergeOption(e.Options, optionsv1.E_Message, o.GetMessage())
	case *descriptorpb.FieldDescriptorProto:
		e.Options = orNew(e.Options)
		mergeField(o, e.Options)
	case *descriptorpb.EnumDescriptorProto:
		e.Options = orNew(e.Options)
		mergeOption(e.Options, optionsv1.E_Enum, o.GetEnum())
	}
}

func mergeService(o *configv1.Overlay, options *descriptorpb.ServiceOptions) {
	if o.GetService() != nil {
		said := proto.CloneOf(o.GetService())
		said.Policy = nil
		mergeOption(options, optionsv1.E_Service, said)
	}
}

func mergeMethod(o *configv1.Overlay, options *descriptorpb.MethodOptions) {
	if rule := o.GetHttp(); rule != nil {
		proto.SetExtension(options, annotations.E_Http, proto.CloneOf(rule))
	}
	if o.GetMethod() != nil {
		said := proto.CloneOf(o.GetMethod())
		said.Policy = nil
		mergeOption(options, optionsv1.E_Method, said)
	}
}

// mergeField replaces a field's policy as a whole: blocks of policy are not mixed.
func mergeField(o *configv1.Overlay, options *descriptorpb.FieldOptions) {
	if o.GetField().GetPolicy() != nil && proto.HasExtension(options, optionsv1.E_Field) {
		proto.GetExtension(options, optionsv1.E_Field).(*optionsv1.FieldOptions).Policy = nil
	}
	mergeOption(options, optionsv1.E_Field, o.GetField())
}

// mergeOption merges what is said into an extension; of single values, what is said wins.
func mergeOption(options proto.Message, extension protoreflect.ExtensionType, said proto.Message) {
	merged := extension.New().Message().Interface()
	if proto.HasExtension(options, extension) {
		proto.Merge(merged, proto.GetExtension(options, extension).(proto.Message))
	}
	proto.Merge(merged, said)
	proto.SetExtension(options, extension, merged)
}

func orNew[T any](options *T) *T {
	if options == nil {
		return new(T)
	}
	return options
}
