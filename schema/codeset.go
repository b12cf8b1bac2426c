package schema

import (
	"strconv"

	"google.golang.org/grpc/codes"
)

// CodeSet is a set of gRPC codes. The zero value is empty.
type CodeSet uint32

// Has reports whether a code is in the set.
func (s CodeSet) Has(c codes.Code) bool { return c < 32 && s&(1<<c) != 0 }

// codeSet returns the codes that a setting of a method's policy names. Names that are not those of a failure are
// problems, and have the consequence given.
func (c *compiler) codeSet(m *Method, setting string, names []string, consequence string) (set CodeSet) {
	for _, name := range names {
		var code codes.Code
		if err := code.UnmarshalJSON([]byte(strconv.Quote(name))); err != nil || code == codes.OK {
			c.warn(m.Service.Backend, m.Descriptor, "the policy's %s has %q, which is not a gRPC code; %s", setting, name, consequence)
			continue
		}
		set |= 1 << code
	}
	return set
}
