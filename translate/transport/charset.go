package transport

import "strings"

// IsUTF8 reports whether the charset parameter of a media type stands for UTF-8; without one, JSON is UTF-8 (RFC 8259, section
// 8.1). `utf8` is a frequent misspelling, and every text in US-ASCII is UTF-8.
func IsUTF8(charset string) bool {
	switch strings.ToLower(strings.Trim(charset, " '\"")) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return true
	default:
		return false
	}
}
