package translate

import (
	v2 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	v3 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3/options"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// info says what the API is: what the gateway's settings say, or else what the first
// of the files says that has words about it.
func (b *openBuilder) info() *object {
	said := newObject()
	b.eachFile(func(_ protoreflect.FileDescriptor, old *v2.Swagger, recent *v3.Document) {
		if len(said.members) == 0 {
			said = recentInfo(recent.GetInfo())
		}
		if len(said.members) == 0 {
			said = oldInfo(old.GetInfo())
		}
	})
	o := newObject(
		member{"title", firstText(b.options.Title, textOf(said, "title"), "API")},
		member{"version", firstText(b.options.Version, textOf(said, "version"), shortDigest(b.snap.Digest))},
	)
	for _, m := range said.members {
		if o.get(m.name) == nil {
			o.set(m.name, m.value)
		}
	}
	return o
}

func textOf(o *object, name string) string {
	text, _ := o.get(name).(string)
	return text
}

func shortDigest(digest string) string { return digest[:min(len(digest), 12)] }

func recentInfo(i *v3.Info) *object {
	o := newObject()
	o.setText("title", i.GetTitle())
	o.setText("version", i.GetVersion())
	o.setText("summary", i.GetSummary())
	o.setText("description", i.GetDescription())
	o.setText("termsOfService", i.GetTermsOfService())
	o.setObject("contact", contactObject(i.GetContact()))
	if i.GetLicense().GetName() != "" {
		license := newObject(member{"name", i.GetLicense().GetName()})
		license.setText("identifier", i.GetLicense().GetIdentifier())
		license.setText("url", i.GetLicense().GetUrl())
		o.set("license", license)
	}
	setExtensions(o, i.GetExtensions())
	return o
}

func oldInfo(i *v2.Info) *object {
	o := newObject()
	o.setText("title", i.GetTitle())
	o.setText("version", i.GetVersion())
	o.setText("description", i.GetDescription())
	o.setText("termsOfService", i.GetTermsOfService())
	o.setObject("contact", contactObject(i.GetContact()))
	if i.GetLicense().GetName() != "" {
		license := newObject(member{"name", i.GetLicense().GetName()})
		license.setText("url", i.GetLicense().GetUrl())
		o.set("license", license)
	}
	setExtensions(o, i.GetExtensions())
	return o
}

// contact is a contact in the options of either generator.
type contact interface {
	GetName() string
	GetUrl() string
	GetEmail() string
}

func contactObject(c contact) *object {
	o := newObject()
	o.setText("name", c.GetName())
	o.setText("url", c.GetUrl())
	o.setText("email", c.GetEmail())
	return o
}

// openTags are the tags of a document: one for each service that has operations, and
// those that files declare.
type openTags struct {
	names    map[*schema.Service]string
	services []*schema.Service
	taken    map[string]bool
}

func newOpenTags() *openTags {
	return &openTags{names: make(map[*schema.Service]string), taken: make(map[string]bool)}
}

// of returns the tag of a service. The first that has a name has it short.
func (t *openTags) of(s *schema.Service) string {
	if name, ok := t.names[s]; ok {
		return name
	}
	name := firstText(
		extensionOf[*v3.Tag](s.Descriptor, v3.E_Openapiv3Tag).GetName(),
		extensionOf[*v2.Tag](s.Descriptor, v2.E_Openapiv2Tag).GetName(),
		string(s.Descriptor.Name()),
	)
	if t.taken[name] {
		name = s.FullName()
	}
	t.names[s] = name
	t.taken[name] = true
	t.services = append(t.services, s)
	return name
}

func (b *openBuilder) tagList() []any {
	list := make([]any, 0, len(b.tags.services))
	byName := make(map[string]*object)
	add := func(name, description string, docs *object) {
		o := byName[name]
		if o == nil {
			o = newObject(member{"name", name})
			byName[name] = o
			list = append(list, o)
		}
		o.setText("description", description)
		o.setObject("externalDocs", docs)
	}
	for _, s := range b.tags.services {
		recent, old := extensionOf[*v3.Tag](s.Descriptor, v3.E_Openapiv3Tag), extensionOf[*v2.Tag](s.Descriptor, v2.E_Openapiv2Tag)
		add(b.tags.names[s], firstText(recent.GetDescription(), old.GetDescription(), commentOf(s.Descriptor), "`"+s.FullName()+"`"),
			firstDocs(recent.GetExternalDocs(), old.GetExternalDocs()))
	}
	declare := func(name, description string, docs *object) {
		if b.shown == nil || b.tagged[name] { // others may be those of what is not shown
			add(name, description, docs)
		}
	}
	b.eachFile(func(_ protoreflect.FileDescriptor, old *v2.Swagger, recent *v3.Document) {
		for _, t := range old.GetTags() {
			declare(t.GetName(), t.GetDescription(), docsObject(t.GetExternalDocs()))
		}
		for _, t := range recent.GetTags() {
			declare(t.GetName(), t.GetDescription(), docsObject(t.GetExternalDocs()))
		}
	})
	return list
}

func firstDocs(recent, old docsLink) *object {
	if o := docsObject(recent); len(o.members) > 0 {
		return o
	}
	return docsObject(old)
}
