package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// TestOthersTexts prints what others wrote without what a terminal would obey.
func TestOthersTexts(t *testing.T) {
	const hidden = "\x1b[2J\x07\r\u009b"
	var text bytes.Buffer
	p := &printer{out: &text, colour: true}
	p.findings([]*adminv1.Finding{{Severity: adminv1.Finding_SEVERITY_SAFE, Element: "e" + hidden, Message: "m" + hidden, Position: "p" + hidden, Affected: []string{"a" + hidden}}})
	p.problems([]*adminv1.Problem{{Element: "e" + hidden, Message: "m" + hidden, Position: "p" + hidden}})
	p.revisions(&adminv1.ListRevisionsResponse{Revisions: []*adminv1.Revision{{
		Address: "a" + hidden, Reason: "r" + hidden, Override: &adminv1.Override{Reason: "o" + hidden},
	}}})
	for _, r := range "\x07\r\u009b" {
		if strings.ContainsRune(text.String(), r) {
			t.Errorf("%q is printed", r)
		}
	}
	if strings.Contains(text.String(), "\x1b[2J") {
		t.Error("an escape sequence of others is printed")
	}
}

// TestColours prints in colours where a person reads, and nowhere else.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	defer terminal.Close()
	file, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name     string
		out      io.Writer
		env      map[string]string
		coloured bool
	}{
		{"a terminal", terminal, nil, true},
		{"one that wants none", terminal, map[string]string{"NO_COLOR": "1"}, false},
		{"one that has none", terminal, map[string]string{"TERM": "dumb"}, false},
		{"a file", file, nil, false},
		{"a pipe", new(bytes.Buffer), nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPrinter(c.out, func(name string) string { return c.env[name] })
			var text bytes.Buffer
			p.out = &text
			p.findings([]*adminv1.Finding{{Severity: adminv1.Finding_SEVERITY_BREAKING, Surface: adminv1.Finding_SURFACE_WIRE, Element: "a.B.c", Message: "gone"}})
			if got := strings.Contains(text.String(), "\x1b["+red+"m"); got != c.coloured || !strings.Contains(text.String(), "gone") {
				t.Errorf("it prints %q", text.String())
			}
		})
	}
}
