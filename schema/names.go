package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names is the lock of GraphQL names: what was given once stays given, so that
// adding a package never renames a type. The zero value is an empty lock. It is
// immutable; Compile returns a new one. A name that an option gave stays when the option
// goes; another option replaces it.
//
// A type brings names with it: its inputs, the entries of its maps, the cases, unions and
// inputs of its oneofs, connections. They follow from the type's name and are in the lock only where
// the one that follows was not free.
type Names struct {
	// Types has the GraphQL names of messages and enums, by full name.
	Types map[string]string `json:"types"`
	// Fields has the names of root fields, by the full name of the method.
	Fields map[string]string `json:"fields"`
}

// ParseNames reads a lock that [Names.JSON] wrote.
func ParseNames(data []byte) (*Names, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	names := new(Names)
	if err := decoder.Decode(names); err != nil {
		return nil, fmt.Errorf("the lock of GraphQL names: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("the lock of GraphQL names: there is more after its end")
	}
	return names, nil
}

// JSON returns the lock as indented text, the same for equal locks.
func (n *Names) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// With returns the lock with those entries of another one for which it has no entry, and whose
// names are free in it. A nil lock is an empty one.
func (n *Names) With(other *Names) *Names {
	if other == nil {
		return n
	}
	return &Names{Types: withFree(n.Types, other.Types), Fields: withFree(n.Fields, other.Fields)}
}

func withFree(held, other map[string]string) map[string]string {
	all, taken := maps.Clone(held), make(map[string]bool, len(held))
	if all == nil {
		all = make(map[string]string, len(other))
	}
	for _, name := range held {
		taken[name] = true
	}
	for key, name := range other {
		if _, ok := all[key]; !ok && !taken[name] {
			all[key] = name
		}
	}
	return all
}

// Equal reports whether both locks have the same entries. A nil lock is an empty one.
func (n *Names) Equal(other *Names) bool {
	if n == nil || other == nil {
		return n.size() == other.size()
	}
	return maps.Equal(n.Types, other.Types) && maps.Equal(n.Fields, other.Fields)
}

func (n *Names) size() int {
	if n == nil {
		return 0
	}
	return len(n.Types) + len(n.Fields)
}

// Renamed returns the full names of the types and methods that both locks have, and that had other names before, sorted.
func (n *Names) Renamed(before *Names) []string {
	if before == nil {
		return nil
	}
	var renamed []string
	for _, pair := range [][2]map[string]string{{n.Types, before.Types}, {n.Fields, before.Fields}} {
		for key, name := range pair[0] {
			if old := pair[1][key]; old != "" && old != name {
				renamed = append(renamed, key)
			}
		}
	}
	slices.Sort(renamed)
	return renamed
}

// Differing returns the full names of the types and methods that have another name in another lock, or that only
// one of them knows; also what has one of those for its scope may be among them.
func (n *Names) Differing(other *Names) []string {
	var names []string
	for _, pair := range [][2]map[string]string{{n.Types, other.Types}, {other.Types, n.Types}, {n.Fields, other.Fields}, {other.Fields, n.Fields}} {
		for key, name := range pair[0] {
			if pair[1][key] == name {
				continue
			}
			owner, _, brought := strings.Cut(key, "/")
			names = append(names, owner)
			if end := strings.LastIndexByte(owner, '.'); brought && end > 0 {
				names = append(names, owner[:end]) // where a part of it brings the type
			}
		}
	}
	return names
}

// Type returns the GraphQL name of a message or enum, by its full name. It is empty
// for what has no name of its own: well-known types, map entries, and what no served
// method leads to.
func (n *Names) Type(fullName string) string { return n.Types[fullName] }

// Field returns the name of a method's root field, by the method's full name. It
// is empty for a method that is not in the graph.
func (n *Names) Field(method string) string { return n.Fields[method] }

// Input returns the name of a message's input type.
func (n *Names) Input(message string) string { return n.derived(message, derivation{kind: inputType}) }

// Entry returns the name of the type of a map's entries; the field is named as in
// the .proto file.
func (n *Names) Entry(message, field string) string {
	return n.derived(message, derivation{field, entryType})
}

// EntryInput returns the name of the input type of a map's entries.
func (n *Names) EntryInput(message, field string) string {
	return n.derived(message, derivation{field, entryInputType})
}

// Case returns the name of the enum of a oneof's members; the oneof is named as in
// the .proto file.
func (n *Names) Case(message, oneof string) string {
	return n.derived(message, derivation{oneof, caseType})
}

// OneofInput returns the name of the input type of a oneof.
func (n *Names) OneofInput(message, oneof string) string {
	return n.derived(message, derivation{oneof, inputType})
}

// PatchInput returns the name of the input type of a message that an update changes in part.
func (n *Names) PatchInput(message string) string {
	return n.derived(message, derivation{kind: patchType})
}

// Union returns the name of the union of a oneof's members; the oneof is named as in
// the .proto file.
func (n *Names) Union(message, oneof string) string {
	return n.derived(message, derivation{oneof, unionType})
}

// Connection returns the name of the type of a page of messages.
func (n *Names) Connection(message string) string {
	return n.derived(message, derivation{kind: connectionType})
}

// Edge returns the name of the type of one entry of a connection.
func (n *Names) Edge(message string) string {
	return n.derived(message, derivation{kind: edgeType})
}

func (n *Names) derived(message string, d derivation) string {
	if name := n.Types[d.key(message)]; name != "" {
		return name
	}
	base := n.Types[message]
	if base == "" {
		return ""
	}
	return d.of(base)
}

// The ends of names that types bring with them.
const (
	inputType      = "Input"
	entryType      = "Entry"
	entryInputType = "EntryInput"
	caseType       = "Case"
	patchType      = "PatchInput"
	unionType      = "Union"
	connectionType = "Connection"
	edgeType       = "Edge"
)

// derivation is a type that another type brings with it.
type derivation struct {
	part string // a map field or a oneof, as in the .proto file; empty: the message itself
	kind string
}

// of returns the name that follows from a type's name.
func (d derivation) of(base string) string { return base + pascal(d.part) + d.kind }

// key is where an exception is kept in the lock. No full name has a slash.
func (d derivation) key(message string) string {
	if d.part == "" {
		return message + "/" + d.kind
	}
	return message + "." + d.part + "/" + d.kind
}

// pascal writes a name in UpperCamelCase: `expected_time` is ExpectedTime.
func pascal(name string) string {
	var out []byte
	for _, word := range splitWords(name) {
		out = append(out, upperFirst(word)...)
	}
	return string(out)
}

// camel writes a name in lowerCamelCase: `GetBook` is getBook, `HTTPGet` is httpGet.
func camel(name string) string {
	words := splitWords(name)
	if len(words) == 0 {
		return name
	}
	out := []byte(strings.ToLower(words[0]))
	for _, word := range words[1:] {
		out = append(out, upperFirst(word)...)
	}
	return string(out)
}

func upperFirst(word string) string {
	first, size := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(first)) + word[size:]
}
