package wire_test

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// hostile is input that is made to be dear. Make returns about n bytes of it.
type hostile struct {
	name    string
	message protoreflect.FullName
	make    func(n int) []byte
	work    func(m *wire.Message, input []byte) error
	want    string // a part of the error; empty: there is none
}

// towerHeight is how many messages are nested where a case nests them; some add two
// levels at a time.
const towerHeight = 45

var hostileInputs = []hostile{
	{"groups in groups", "edition.Edition", deep(inGroup(4), []byte{0x38, 1}), toJSON, ""},
	{"lists of groups in groups", "edition.Edition", deep(inGroup(5), []byte{0x38, 1}), toJSON, ""},
	{"groups that do not end", "edition.Edition", cut(deep(inGroup(4), []byte{0x38, 1})), toJSON, "truncated"},
	{"towers of groups", "edition.Edition", repeated(inGroup(5)(tower(inGroup(4)))), toJSON, ""},
	{"towers of unknown groups", "edition.Edition", repeated(tower(inGroup(2000))), toJSON, ""},
	{"a path through groups", "edition.Edition", deep(inGroup(4), []byte{0x38, 1}), along("delimited.delimited.delimited.implicit"), ""},
	{"groups that a later key overrules", "rich.Rich", repeated(within(43)(append([]byte{8, 7}, within(2)(tower(inGroup(2000)))...))), toJSON, ""},
	{"messages in messages", "rich.Rich", deep(within(20), within(21)(nil)), toJSON, ""},
	{"a message in many parts", "rich.Rich", repeated(within(20)([]byte{0x10, 1})), toJSON, ""},
	{"towers in many parts", "rich.Rich", repeated(tower(within(20))), toJSON, ""},
	{"a path through many parts", "rich.Rich", repeated(tower(within(20))), along("child.child.child.aString"), ""},
	{"members of a oneof in turn", "rich.Rich", repeated([]byte("\x92\x03\x01a\x98\x03\x01\xa2\x03\x02\x10\x01")), toJSON, ""},
	{"towers in a oneof in turn", "rich.Rich", repeated(append(tower(within(52)), "\x98\x03\x01"...)), toJSON, ""},
	{"one string again and again", "rich.Rich", repeated(within(14)([]byte("ä long string"))), toJSON, ""},
	{"elements of lists in turn", "rich.Rich", repeated([]byte("\xf8\x01\x01\x9a\x02\x01a\xaa\x01\x00")), toJSON, ""},
	{"a packed list", "rich.Rich", func(n int) []byte { return within(31)(bytes.Repeat([]byte{1}, n)) }, toJSON, ""},
	{"empty packed lists", "rich.Rich", repeated([]byte("\xfa\x01\x00")), toJSON, ""},
	{"packed lists of one", "rich.Rich", repeated([]byte("\xfa\x01\x01\x01\xf8\x01\x01")), toJSON, ""},
	{"overlong varints", "rich.Rich", repeated([]byte("\x90\x80\x80\x80\x80\x80\x80\x80\x80\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")), toJSON, ""},
	{"unknown numbers", "rich.Rich", unknownNumbers, toJSON, ""},
	{"the highest number", "rich.Rich", repeated([]byte("\xf8\xff\xff\xff\x0f\x01")), toJSON, ""},
	{"one key again and again", "rich.Rich", repeated(within(40)([]byte("\x0a\x01a\x12\x01b"))), toJSON, ""},
	{"keys from the last to the first", "rich.Rich", descendingKeys, toJSON, ""},
	{"Any in Any", "google.protobuf.Any", deep(inAny, []byte{0x38, 1}), toJSON, ""},
	{"values in a list", "google.protobuf.Value", func(n int) []byte { return within(6)(repeated(within(1)([]byte{0x20, 1}))(n)) }, toJSON, ""},
	{"a value in many parts", "google.protobuf.Value", repeated(within(6)(within(1)([]byte{0x20, 1}))), toJSON, ""},
	{"paths of a mask", "google.protobuf.FieldMask", repeated(within(1)([]byte("a_b"))), toJSON, ""},
	{"faults in lists in lists", "rich.Rich", repeated(within(21)(append(bytes.Repeat(within(21)([]byte{0x10, 1}), 20), within(21)(notANumber)...))), selected, ""},
	{"keys in lists in lists", "rich.Rich", repeated(within(21)(bytes.Repeat(within(21)([]byte{0x10, 1}), 20))), keys, ""},
	{"defaults of empty messages", "rich.Rich", repeated(within(21)(nil)), toFullJSON, "larger than the limit"},

	{"objects in objects", "rich.Rich", text(inObjects(`{"child":`, `{"children":[`), `{"aString":"xxxxxxxxxx"},`, `{}]}`+inObjects(`}`, ``)), fromJSONText, ""},
	{"Any in Any with @type last", "rich.Rich", text(`{"any":`+inObjects(`{"value":`, `{"strings":[`), `"x",`,
		`""],"@type":"x/rich.Rich"}`+inObjects(`,"@type":"x/google.protobuf.Any"}`, `}`)), fromJSONText, ""},
	{"Anys with @type last", "rich.Rich", text(`{"anys":[`, `{"aString":"x","@type":"x/rich.Rich"},`, `{}]}`), fromJSONText, ""},
	{"keys of a map", "rich.Rich", keysText, fromJSONText, ""},
	{"maps in a list", "rich.Rich", text(`{"children":[`, `{"intsByInt":{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":1,"11":1,"12":1,"13":1,"14":1}},`, `{}]}`), fromJSONText, ""},
	{"unknown members", "rich.Rich", text(`{"nope":[`, `{"a":[1,"x"]},`, `1]}`), fromJSONText, ""},
	{"a long unknown name", "rich.Rich", text(`{"`, `anInt3`, `":1}`), fromJSONText, ""},
	{"a long name with escapes", "rich.Rich", text(`{"`, `\u0041`, `":1}`), fromJSONText, ""},
	{"escapes", "rich.Rich", text(`{"aString":"`, `\n\u00e9\ud83d\ude00`, `"}`), fromJSONText, ""},
	{"a long fraction", "rich.Rich", text(`{"aDouble":0.`, `12345678`, `}`), fromJSONText, ""},
	{"a long whole number", "rich.Rich", text(`{"anInt64":1.`, `00000000`, `}`), fromJSONText, ""},
	{"a long exponent", "rich.Rich", text(`{"anInt64":1e`, `99999999`, `}`), fromJSONText, "out of range"},
	{"white space", "rich.Rich", text(`{`, " \n\t ", `}`), fromJSONText, ""},
	{"base64", "rich.Rich", text(`{"aBytes":"`, "-_-_", `"}`), fromJSONText, ""},
	{"a long mask", "rich.Rich", text(`{"mask":"a`, ",bC.dE", `"}`), fromJSONText, ""},
}

func toJSON(m *wire.Message, input []byte) error {
	_, err := m.Project(wire.Options{}).AppendJSON(nil, input, &wire.Sink{MaxBytes: 1 << 30})
	return err
}

func toFullJSON(m *wire.Message, input []byte) error {
	_, err := m.Project(wire.Options{EmitDefaults: true}).AppendJSON(nil, input, &wire.Sink{MaxBytes: 20 * len(input)})
	return err
}

func fromJSONText(m *wire.Message, input []byte) error {
	_, err := m.AppendWire(nil, input, wire.DecodeOptions{IgnoreUnknown: true})
	return err
}

func along(dotted string) func(m *wire.Message, input []byte) error {
	return func(m *wire.Message, input []byte) error {
		path, err := m.Path(dotted)
		if err != nil {
			return err
		}
		return path.Values(input, func(wire.Value) bool { return true })
	}
}

// notANumber is a rich.Rich whose aDouble is NaN.
var notANumber = []byte("\x69\x00\x00\x00\x00\x00\x00\xf8\x7f")

// inLists selects aDouble, which cannot be null, and a join in the elements of lists in lists.
func inLists(m *wire.Message) (*wire.Projection, error) {
	children, number := m.FieldByName("children"), m.FieldByName("aDouble")
	return m.Select([]wire.Selection{{Key: "a", Field: children, Children: []wire.Selection{
		{Key: "b", Field: children, NonNull: true, Children: []wire.Selection{
			{Key: "c", Field: number, NonNull: true},
			{Key: "d", Kind: wire.SelectJoin},
		}},
	}}})
}

func selected(m *wire.Message, input []byte) error {
	p, err := inLists(m)
	if err != nil {
		return err
	}
	_, err = p.AppendJSON(nil, input, &wire.Sink{MaxBytes: 1 << 30})
	return err
}

func keys(m *wire.Message, input []byte) error {
	p, err := inLists(m)
	if err != nil {
		return err
	}
	path, err := m.Path("anInt32")
	if err != nil {
		return err
	}
	return p.Keys(input, 0, path, func(int, []wire.Value) {})
}

// end completes an edition.Edition, which has a required field; to the others it is nothing new.
var end = []byte{0x18, 0}

// deep puts a filler into the innermost of many messages.
func deep(around func([]byte) []byte, filler []byte) func(n int) []byte {
	return func(n int) []byte {
		input := append(bytes.Repeat(filler, n/len(filler)), end...)
		for range towerHeight {
			input = around(input)
		}
		return append(input, end...)
	}
}

func cut(whole func(n int) []byte) func(n int) []byte {
	return func(n int) []byte {
		input := whole(n)
		return input[:len(input)-len(end)-1]
	}
}

func tower(around func([]byte) []byte) []byte {
	top := bytes.Clone(end)
	for range towerHeight {
		top = around(top)
	}
	return top
}

func repeated(part []byte) func(n int) []byte {
	return func(n int) []byte { return append(bytes.Repeat(part, n/len(part)), end...) }
}

func inAny(inner []byte) []byte {
	return append([]byte("\x0a\x15a/google.protobuf.Any"), within(2)(inner)...)
}

func unknownNumbers(n int) (input []byte) {
	for number := protowire.Number(1000); len(input) < n; number++ {
		input = protowire.AppendVarint(protowire.AppendTag(input, number, protowire.VarintType), 1)
	}
	return input
}

func descendingKeys(n int) (input []byte) {
	for key := uint64(n); len(input) < n; key-- {
		input = append(input, within(41)(protowire.AppendVarint([]byte{8}, key))...)
	}
	return input
}

func text(before, part, after string) func(n int) []byte {
	return func(n int) []byte { return []byte(before + strings.Repeat(part, n/len(part)) + after) }
}

func inObjects(each, last string) string { return strings.Repeat(each, towerHeight) + last }

func keysText(n int) []byte {
	var b strings.Builder
	for key := 0; b.Len() < n; key++ {
		fmt.Fprintf(&b, `"%d":1,`, key)
	}
	return []byte(`{"intsByInt":{` + b.String() + `"-1":1}}`)
}
