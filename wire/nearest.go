package wire

import "strings"

// Nearest returns the JSON name of the field that a name is most likely a misspelling of, or "" where
// none is near. Case does not count. It bounds its own work: the name is a stranger's.
func (m *Message) Nearest(name string) string {
	const longest, most = 64, 256 // bytes, fields
	if len(name) > longest || len(m.fields) > most {
		return ""
	}
	name = strings.ToLower(name)
	best, nearest := 2+len(name)/3, ""
	for _, f := range m.fields {
		if len(f.jsonName) > longest {
			continue
		}
		if n := edits(name, strings.ToLower(f.jsonName)); n < best {
			best, nearest = n, f.jsonName
		}
	}
	return nearest
}

// edits counts the bytes to change, insert or delete between a and b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
