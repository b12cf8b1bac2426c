package wire_test

import (
	"strings"
	"testing"

	"github.com/protean-gateway/protean/wire"
)

func TestProjectMask(t *testing.T) {
	const message = `{"name":"x","books":[{"title":"1","price":2},{"title":"2"}],"labels":{"1":"a"},` +
		`"first":{"title":"3","sequel":{"title":"4","price":5}},"size":0,"time":"2026-01-02T00:00:00Z"}`
	tests := []struct {
		mask    string
		options wire.Options
		want    string
	}{
		{mask: "name", want: `{"name":"x"}`},
		{mask: "size name", want: `{"name":"x","size":0}`},
		{mask: "books.title", want: `{"books":[{"title":"1"},{"title":"2"}]}`},
		{mask: "first.sequel.price first.title", want: `{"first":{"title":"3","sequel":{"price":5}}}`},
		{mask: "first first.title", want: `{"first":{"title":"3","sequel":{"title":"4","price":5}}}`},
		{mask: "first.sequel.price first.sequel", want: `{"first":{"sequel":{"title":"4","price":5}}}`},
		{mask: "labels time", want: `{"labels":{"1":"a"},"time":"2026-01-02T00:00:00Z"}`},
		{mask: "text", want: `{}`},
		{mask: "by_code", options: wire.Options{EmitDefaults: true, ProtoNames: true}, want: `{"by_code":{}}`},
		{mask: "byCode open", options: wire.Options{EmitDefaults: true}, want: `{"byCode":{},"open":false}`},
		{mask: "", want: message},
		{mask: "name *", want: message},
	}
	m := shelf(t, "Shelf")
	msg := fromJSON(t, m, message)
	for _, tt := range tests {
		t.Run(tt.mask, func(t *testing.T) {
			p, err := m.ProjectMask(tt.options, strings.Fields(tt.mask))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.AppendJSON(nil, msg, nil)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestProjectMaskRefuses(t *testing.T) {
	m := shelf(t, "Shelf")
	for mask, want := range map[string]string{
		"nothing":        `nothing: shelf.Shelf has no field "nothing"`,
		"first.nothing":  `first.nothing: shelf.Book has no field "nothing"`,
		"name.x":         `name.x: a path cannot lead through shelf.Shelf.name`,
		"labels.1":       `labels.1: a path cannot lead through shelf.Shelf.labels`,
		"time.seconds":   `time.seconds: a path cannot lead through shelf.Shelf.time`,
		"first..title":   `first..title: shelf.Book has no field ""`,
		"first.title, x": `first.title, x: shelf.Book has no field "title, x"`,
	} {
		if _, err := m.ProjectMask(wire.Options{}, []string{"name", mask}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", mask, err)
		}
	}
	if _, err := m.FieldByName("time").Message().ProjectMask(wire.Options{}, []string{"seconds"}); err == nil {
		t.Error("a part of a timestamp is accepted")
	}
}
