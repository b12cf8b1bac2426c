package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestIsolate has parts of which some fail: alone, or together with one before them.
func TestIsolate(t *testing.T) {
	tests := []struct {
		name         string
		parts        string
		bad          []string // letters that fail together
		kept, faults string
	}{
		{"none", "abc", nil, "abc", ""},
		{"no parts", "", nil, "", ""},
		{"one alone", "abc", []string{"b"}, "ac", "b"},
		{"the first", "abc", []string{"a"}, "bc", "a"},
		{"the later of two", "abcd", []string{"bd"}, "abc", "d"},
		{"several", "abcdef", []string{"a", "cf", "d"}, "bce", "adf"},
		{"all", "ab", []string{"a", "b"}, "", "ab"},
		{"more than are searched for", strings.Repeat("x", 3*maxFaults) + "a", []string{"x"}, "", strings.Repeat("x", 3*maxFaults) + "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			last := "not called"
			kept, faults, err := Isolate(strings.Split(test.parts, "")[:len(test.parts)], func(parts []string) error {
				last = strings.Join(parts, "")
				for _, bad := range test.bad {
					if !slices.ContainsFunc(strings.Split(bad, ""), func(letter string) bool { return !strings.Contains(last, letter) }) {
						panic(bad)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var at []string
			for _, f := range faults {
				at = append(at, f.Part)
				if defect, ok := errors.AsType[*PanicError](f.Err); !ok || !strings.Contains(defect.Stack, "TestIsolate") {
					t.Errorf("%s: the fault is %v, not a panic with its stack", f.Part, f.Err)
				}
			}
			if got := strings.Join(kept, ""); got != test.kept || last != test.kept {
				t.Errorf("it keeps %q, and tried %q last, not %q", got, last, test.kept)
			}
			if got := strings.Join(at, ""); got != test.faults {
				t.Errorf("the faults are %q, not %q", got, test.faults)
			}
		})
	}
	broken := errors.New("broken")
	if _, _, err := Isolate([]string{"a"}, func([]string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("what fails without any part has the error %v", err)
	}
}

// TestStackIsStable makes the same panic twice: problems that stand for it must be equal.
func TestStackIsStable(t *testing.T) {
	var problems []Problem
	for range 2 {
		err := Guard(func() error { panic("defect") })
		problems = append(problems, Fault[string]{"a", err}.Problem("a", "not served"))
	}
	if problems[0] != problems[1] || problems[0].Stack == "" {
		t.Errorf("the problems differ: %v", problems)
	}
	if want := `error: backend "a": not served: the gateway failed on these files, which is a defect in it: defect`; fmt.Sprint(problems[0]) != want {
		t.Errorf("the problem is %s", problems[0])
	}
}
