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
			if near := nearestField(m, name); near != "" {
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

// maxSuggest bounds the names that are compared, in bytes.
const maxSuggest = 64

func nearestField(m *wire.Message, name string) (nearest string) {
	if len(name) > maxSuggest {
		return ""
	}
	best := 1 + len(name)/3
	for _, f := range m.Fields() {
		candidate := f.JSONName()
		if len(candidate) > maxSuggest {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d <= best && (nearest == "" || d < best) {
			best, nearest = d, candidate
		}
	}
	return nearest
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
