package wire_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

func TestPathValues(t *testing.T) {
	tests := []struct {
		message   protoreflect.FullName
		path, hex string
		want      string
	}{
		{"rich.Rich", "aString", "72016a", `"j"`},
		{"rich.Rich", "a_string", "72016a 72016b", `"k"`},
		{"rich.Rich", "aString", "", ``},
		{"rich.Rich", "aString", "7200", `""`},
		{"rich.Rich", "aBytes", "7a02ff00", `"\xff\x00"`},
		{"rich.Rich", "anInt32", "10ffffffffffffffffff01", `-1`},
		{"rich.Rich", "aSint32", "3001", `-1`},
		{"rich.Rich", "aSfixed32", "55ffffffff", `-1`},
		{"rich.Rich", "aUint32", "20ffffffffffffffffff01", `4294967295`},
		{"rich.Rich", "aBool", "0802", `1`},
		{"rich.Rich", "aColor", "8001ffffffffffffffffff01", `-1`},
		{"rich.Rich", "unpacked", "b00205 b202020607 b00208", `5 6 7 8`},
		{"rich.Rich", "strings", "9a020161 1001 9a020162", `"a" "b"`},
		{"rich.Rich", "child.child.anInt32", "a201021001", ``},
		{"rich.Rich", "child.child.anInt32", "a20105a201021007 a20106a20103720161", `7`},
		{"rich.Rich", "text", "9203016a 980301", ``},
		{"rich.Rich", "message.aString", "a2030372016a", `"j"`},
		{"rich.Rich", "message.aString", "a2030372016a 980301 a20300", ``},
		{"rich.Rich", `o"d\d`, "d205016a", `"j"`},
		{"legacy.Legacy", "box.width", "1b 0807 1c", `7`},
		{"legacy.Legacy", "[legacy.twin].[legacy.note]", "b20604 a206016a", `"j"`},
	}
	schema := decodeSchemaOf(t)
	for _, tt := range tests {
		t.Run(tt.path+"/"+tt.hex, func(t *testing.T) {
			path, err := schema.message(tt.message).Path(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = path.Values(unhex(t, tt.hex), func(v wire.Value) bool {
				got = append(got, valueText(path.Field(), v))
				return true
			})
			if strings.Join(got, " ") != tt.want || err != nil {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func valueText(f *wire.Field, v wire.Value) string {
	switch f.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return fmt.Sprintf("%q", v.Text)
	default:
		return fmt.Sprint(int64(v.Bits))
	}
}

func TestPathValuesOfFloats(t *testing.T) {
	m := decodeSchemaOf(t).message("rich.Rich")
	msg := unhex(t, "650000c03f 69000000000000f83f")
	for _, name := range []string{"aFloat", "aDouble"} {
		path, err := m.Path(name)
		if err != nil {
			t.Fatal(err)
		}
		err = path.Values(msg, func(v wire.Value) bool {
			if f := math.Float64frombits(v.Bits); f != 1.5 {
				t.Errorf("%s is %v", name, f)
			}
			return true
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestPathValuesStops(t *testing.T) {
	path, err := decodeSchemaOf(t).message("rich.Rich").Path("strings")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = path.Values(unhex(t, "9a020161 9a020162"), func(wire.Value) bool { n++; return false })
	if n != 1 || err != nil {
		t.Errorf("%d values, %v", n, err)
	}
}

func TestPathMessages(t *testing.T) {
	tests := []struct {
		message   protoreflect.FullName
		path, hex string
		want      []string
	}{
		{"rich.Rich", "child", "", nil},
		{"rich.Rich", "child", "a20100", []string{""}},
		{"rich.Rich", "child", "a201021001", []string{"1001"}},
		{"rich.Rich", "child", "a201021001 0801 a201022002", []string{"10012002"}},
		{"rich.Rich", "children", "aa01021001 aa0100", []string{"1001", ""}},
		{"rich.Rich", "child.children", "a20105aa01021001 a20103aa0100", []string{"1001", ""}},
		{"rich.Rich", "stringsByString", "c20203 0a0161", []string{"0a0161"}},
		{"legacy.Legacy", "crate", "23 0a0161 24", []string{"0a0161"}},
	}
	schema := decodeSchemaOf(t)
	for _, tt := range tests {
		t.Run(tt.path+"/"+tt.hex, func(t *testing.T) {
			path, err := schema.message(tt.message).Path(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			msg := unhex(t, tt.hex)
			var got []string
			err = path.Messages(msg, func(element []byte) bool {
				got = append(got, fmt.Sprintf("%x", element))
				_ = append(element, 0xee) // must not reach what is behind
				return true
			})
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) || string(msg) != string(unhex(t, tt.hex)) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestPathRefuses(t *testing.T) {
	m := decodeSchemaOf(t).message("rich.Rich")
	for dotted, want := range map[string]string{
		"":                                   `: rich.Rich has no field ""`,
		"child.nothing":                      `child.nothing: rich.Rich has no field "nothing"`,
		"child.":                             `child.: rich.Rich has no field ""`,
		"aString.x":                          `aString.x: a path cannot lead through rich.Rich.a_string`,
		"children.aString":                   `children.aString: a path cannot lead through rich.Rich.children`,
		"richByUint.value":                   `richByUint.value: a path cannot lead through rich.Rich.rich_by_uint`,
		"[x.y":                               `[x.y: rich.Rich has no field "[x"`,
		strings.Repeat("child.", 100) + "x":  ``,
		strings.Repeat("child.", 99) + "any": `-`,
	} {
		_, err := m.Path(dotted)
		if (err == nil) != (want == "-") || err != nil && want != "" && err.Error() != want {
			t.Errorf("%.40s: %v", dotted, err)
		}
	}
	path, err := m.Path("child")
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Values(nil, nil); err == nil {
		t.Error("a message has values")
	}
	if path, err = m.Path("child.a_string"); err != nil {
		t.Fatal(err)
	}
	if err := path.Messages(nil, nil); err == nil {
		t.Error("a string is a message")
	}
	if path.String() != "child.aString" {
		t.Error(path.String())
	}
	if err := path.Values(unhex(t, "a20110"), nil); !errors.Is(err, wire.ErrMalformed) {
		t.Error(err)
	}
}
