package translate

import (
	"strings"

	"github.com/protean-gateway/protean/wire"
)

// suggest returns the field path nearest to a name that no field answers to, or
// nothing where none is near.
func suggest(m *wire.Message, dotted string) string {
	prefix := ""
	for {
		name, rest, more := strings.Cut(dotted, ".")
		f := m.FieldByName(name)
		if f == nil {
			if near := m.Nearest(name); near != "" {
				return prefix + near
			}
			return ""
		}
		if !more || f.Message() == nil || f.IsList() || f.IsMap() {
			return ""
		}
		prefix += name + "."
		m, dotted = f.Message(), rest
	}
}
