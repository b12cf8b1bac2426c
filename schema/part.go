package schema

import (
	"crypto/sha256"
	"hash"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// part is what is compiled of one backend: its methods and messages. One that depends on nothing but what its key
// says is kept with the linked files, and goes into the next snapshots as it is. It is immutable.
type part struct {
	backend  *Backend
	problems []Problem
	uses     []ruleUse
}

// partKey says what a part was made of, besides the linked files.
type partKey struct {
	services string            // of the files, that are served by this backend
	said     [sha256.Size]byte // of policies and their positions, and how methods are mapped
}

// keptParts bounds the parts that are kept of one backend's files: of what is served, and of what is judged.
const keptParts = 2

type keptPart struct {
	key    partKey
	made   *part
	unused int // compilations since it was asked for
}

// closure is what the methods of some services lead to.
type closure struct {
	messages map[protoreflect.FullName]bool
	any      bool // a google.protobuf.Any among them may hold what any backend declares
}

const anyName protoreflect.FullName = "google.protobuf.Any"

// closureOf walks through the requests and answers of services.
func closureOf(services []protoreflect.ServiceDescriptor) *closure {
	c := &closure{messages: make(map[protoreflect.FullName]bool)}
	for _, sd := range services {
		for i := range sd.Methods().Len() {
			c.add(sd.Methods().Get(i).Input())
			c.add(sd.Methods().Get(i).Output())
		}
	}
	return c
}

func (c *closure) add(md protoreflect.MessageDescriptor) {
	if c.messages[md.FullName()] {
		return
	}
	c.messages[md.FullName()] = true
	c.any = c.any || md.FullName() == anyName
	for i := range md.Fields().Len() {
		if inside := md.Fields().Get(i).Message(); inside != nil {
			c.add(inside)
		}
	}
}

// closed reports whether nothing that another backend declares has to do with the messages.
func (c *closure) closed(r *resolver) bool {
	if c.any {
		return false
	}
	for extended := range r.extensions {
		if c.messages[extended] {
			return false
		}
	}
	return true
}

// saidDigest is SHA-256 over what parts depend on beside their files.
func saidDigest(in Input) [sha256.Size]byte {
	h := sha256.New()
	writeText(h, strconv.FormatBool(in.AIPVerbsOff))
	writeMessages(h, in.Overlays)
	writeMessages(h, in.Policies)
	writeMessages(h, in.Registered)
	for _, o := range in.Overlays {
		writePositions(h, in, o, o.GetMethod().GetPolicy(), o.GetService().GetPolicy())
	}
	for _, r := range slices.Concat(in.Policies, in.Registered) {
		writePositions(h, in, r, r.GetPolicy())
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// writePositions adds where messages and those in their fields stand.
func writePositions(h hash.Hash, in Input, messages ...proto.Message) {
	for _, m := range messages {
		writeText(h, in.Positions[m])
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if fd := fields.Get(i); fd.Message() != nil && !fd.IsList() && !fd.IsMap() && m.ProtoReflect().Has(fd) {
				writeText(h, in.Positions[m.ProtoReflect().Get(fd).Message().Interface()])
			}
		}
	}
}

// compileBackend adds the services that are assigned to a backend.
func (c *compiler) compileBackend(i int) {
	b := c.snapshot.Backends[i]
	own := c.ownServices(i)
	made := c.partOf(b, c.linked[i], own)
	c.snapshot.Backends[i] = made.backend
	c.problems = append(c.problems, made.problems...)
	c.policies.note(made.uses)
	for _, s := range made.backend.Services {
		c.snapshot.Services = append(c.snapshot.Services, s)
		c.snapshot.services[s.FullName()] = s
		for _, m := range s.Methods {
			c.snapshot.Methods[m.Path] = m
		}
	}
}

// ownServices returns the wanted services in the order of the files, less those that another backend serves.
func (c *compiler) ownServices(i int) (own []protoreflect.ServiceDescriptor) {
	b := c.snapshot.Backends[i]
	for _, sd := range c.wanted(i) {
		if holder := c.holders[sd.FullName()]; holder != i {
			c.warn(b, sd, "backend %q serves this service; leave it out of one of them", c.snapshot.Backends[holder].Name)
			continue
		}
		own = append(own, sd)
	}
	return own
}

// partOf returns what was compiled of a backend before, or compiles it.
func (c *compiler) partOf(b *Backend, linked *linkedFiles, own []protoreflect.ServiceDescriptor) *part {
	key := partKey{namesOf(own), c.said}
	reached := c.linking.closure(linked, key.services, own)
	if !reached.closed(c.snapshot.resolver) {
		return c.compilePart(b, own, reached, c.snapshot.Types)
	}
	if made := c.linking.part(linked, key); made != nil {
		return made
	}
	b.types, b.closed = wire.NewTypes(nil), reached.messages
	made := c.compilePart(b, own, reached, b.types)
	if c.ctx.Err() == nil {
		c.linking.keepPart(linked, key, made)
	}
	return made
}

func namesOf(services []protoreflect.ServiceDescriptor) string {
	var names strings.Builder
	for _, sd := range services {
		names.WriteString(string(sd.FullName()))
		names.WriteByte('\n')
	}
	return names.String()
}

// compilePart compiles services of a backend, with messages of types.
func (c *compiler) compilePart(b *Backend, own []protoreflect.ServiceDescriptor, reached *closure, types *wire.Types) *part {
	before := c.problems
	c.problems, c.types = nil, types
	c.policies.uses = make(map[ruleUse]bool)
	for _, sd := range own {
		c.compileService(b, sd)
	}
	c.checkJSONNames(b, reached.messages)
	made := &part{backend: b, problems: c.problems}
	for use := range c.policies.uses {
		made.uses = append(made.uses, use)
	}
	c.problems = before
	return made
}

// closure returns what services of linked files lead to.
func (l *linking) closure(linked *linkedFiles, names string, services []protoreflect.ServiceDescriptor) *closure {
	l.mu.Lock()
	known, ok := linked.closures[names]
	l.mu.Unlock()
	if ok {
		return known
	}
	made := closureOf(services)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(linked.closures) >= keptParts {
		clear(linked.closures)
	}
	if linked.closures == nil {
		linked.closures = make(map[string]*closure)
	}
	linked.closures[names] = made
	return made
}

// part returns a part that is kept, or nil.
func (l *linking) part(linked *linkedFiles, key partKey) *part {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, kept := range linked.parts {
		if kept.key == key {
			kept.unused = 0
			copy(linked.parts[1:i+1], linked.parts[:i])
			linked.parts[0] = kept
			return kept.made
		}
	}
	return nil
}

// forgetParts drops parts that were not asked for lately. The caller holds the lock of the compiler.
func (linked *linkedFiles) forgetParts() {
	for i := range linked.parts {
		linked.parts[i].unused++
	}
	linked.parts = slices.DeleteFunc(linked.parts, func(p keptPart) bool { return p.unused > keepUnused })
}

// keepPart keeps a part, in place of the one that was not asked for the longest.
func (l *linking) keepPart(linked *linkedFiles, key partKey, made *part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	linked.parts = slices.Insert(linked.parts, 0, keptPart{key: key, made: made})
	if len(linked.parts) > keptParts {
		linked.parts = slices.Delete(linked.parts, keptParts, len(linked.parts)) // which lets go of what it held
	}
}
