package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// printer prints what the admin service answers, in colours where a person reads it.
type printer struct {
	out    io.Writer
	colour bool
}

// newPrinter has colours on a terminal, unless NO_COLOR is set (no-color.org).
func newPrinter(out io.Writer, getenv func(string) string) *printer {
	return &printer{out: out, colour: isTerminal(out) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// The colours of ECMA-48.
const (
	red    = "31"
	yellow = "33"
	green  = "32"
	bold   = "1"
)

func (p *printer) in(colour, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// json prints a message as ProtoJSON with fixed spacing.
func (p *printer) json(m proto.Message) error {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(p.out)
	return err
}

func (p *printer) findings(findings []*adminv1.Finding) {
	names := map[adminv1.Finding_Severity]string{
		adminv1.Finding_SEVERITY_SAFE:      p.in(green, "safe     "),
		adminv1.Finding_SEVERITY_DANGEROUS: p.in(yellow, "dangerous"),
		adminv1.Finding_SEVERITY_BREAKING:  p.in(red, "breaking "),
	}
	for _, f := range findings {
		fmt.Fprintf(p.out, "%s  %-8s %s  %s\n", names[f.GetSeverity()], surfaceName(f.GetSurface()), p.in(bold, plain(f.GetElement())), f.GetRule())
		fmt.Fprintf(p.out, "           %s\n", plain(f.GetMessage()))
		if f.GetPosition() != "" {
			fmt.Fprintf(p.out, "           at %s\n", plain(f.GetPosition()))
		}
		for _, client := range f.GetAffected() {
			fmt.Fprintf(p.out, "           used by %s\n", plain(client))
		}
	}
}

func surfaceName(s adminv1.Finding_Surface) string {
	return [...]string{"", "wire", "json", "rest", "graphql", "policy", "backend"}[s]
}

func (p *printer) problems(problems []*adminv1.Problem) {
	for _, q := range problems {
		where := plain(q.GetPosition())
		if where != "" {
			where += ": "
		}
		fmt.Fprintf(p.out, "%s    %s%s: %s\n", p.in(yellow, "problem"), where, plain(q.GetElement()), plain(q.GetMessage()))
	}
}

// summary counts findings.
func (p *printer) summary(findings []*adminv1.Finding) {
	count := make(map[adminv1.Finding_Severity]int)
	for _, f := range findings {
		count[f.GetSeverity()]++
	}
	fmt.Fprintf(p.out, "%d breaking, %d dangerous, %d safe\n", count[adminv1.Finding_SEVERITY_BREAKING],
		count[adminv1.Finding_SEVERITY_DANGEROUS], count[adminv1.Finding_SEVERITY_SAFE])
}

func short(digest string) string { return digest[:min(12, len(digest))] }

// plain is a text that somebody else wrote, less what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
