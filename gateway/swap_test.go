package gateway

import (
	"log/slog"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

const goodShelf = `
edition = "2023";
package shelf.v1;
service Shelves { rpc GetShelf(GetShelfRequest) returns (Shelf); }
message GetShelfRequest { string name = 1; }
message Shelf { string name = 1; }
`

const goodBox = `
edition = "2023";
package box.v1;
service Boxes { rpc GetBox(GetBoxRequest) returns (Box); }
message GetBoxRequest { string name = 1; }
message Box { string name = 1; }
`

func filesOf(t *testing.T, name, source string) schema.BackendFiles {
	t.Helper()
	return schema.BackendFiles{Name: name, Files: rpctest.Files(t, map[string]string{name + ".proto": source})}
}

// broken returns files that NewFiles takes and Compile cannot use: a field of a
// type that no file declares.
func broken(t *testing.T, good schema.BackendFiles) schema.BackendFiles {
	t.Helper()
	files := *good.Files
	set := proto.CloneOf(files.Set)
	last := set.File[len(set.File)-1]
	field := last.MessageType[len(last.MessageType)-1].Field[0]
	field.TypeName = proto.String(".nowhere.Nothing")
	field.Type = nil
	files.Set, files.Digest = set, "broken"
	good.Files = &files
	return good
}

// setupOf makes a setup of a configuration, with nothing before it.
func setupOf(t *testing.T, config *configv1.Config) *setup {
	t.Helper()
	l, s, err := newFirst(t.Context(), &Configuration{Config: config}, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return s
}

// compileWith compiles and takes what comes of it for served.
func compileWith(t testing.TB, s *swapper, with *setup, backends ...schema.BackendFiles) (*schema.Snapshot, []schema.Problem) {
	t.Helper()
	result, err := s.compile(t.Context(), with, backends)
	if err != nil {
		t.Fatal(err)
	}
	s.remember(result, nil)
	return result.snapshot, result.problems
}

// TestBrokenBackendKeepsLastGood gives one backend files that do not compile. It
// stays served as it was, and the other one's update goes through.
func TestBrokenBackendKeepsLastGood(t *testing.T) {
	s, with := newSwapper(nil), setupOf(t, &configv1.Config{})
	shelf, box := filesOf(t, "shelf", goodShelf), filesOf(t, "box", goodBox)
	if first, problems := compileWith(t, &s, with, shelf, box); len(first.Methods) != 2 {
		t.Fatalf("%d methods, %v", len(first.Methods), problems)
	}
	moreBoxes := filesOf(t, "box", goodBox+"service MoreBoxes { rpc ListBoxes(GetBoxRequest) returns (Box); }")
	second, problems := compileWith(t, &s, with, broken(t, shelf), moreBoxes)
	for _, path := range []string{"/shelf.v1.Shelves/GetShelf", "/box.v1.Boxes/GetBox", "/box.v1.MoreBoxes/ListBoxes"} {
		if second.Methods[path] == nil {
			t.Errorf("%s is not served", path)
		}
	}
	if !backendsWithErrors(problems)["shelf"] {
		t.Errorf("the finding is not shown: %v", problems)
	}
}

// TestBrokenBackendIsLeftOut has no last good files to fall back on.
func TestBrokenBackendIsLeftOut(t *testing.T) {
	s, with := newSwapper(nil), setupOf(t, &configv1.Config{})
	snapshot, problems := compileWith(t, &s, with, broken(t, filesOf(t, "shelf", goodShelf)), filesOf(t, "box", goodBox))
	if len(snapshot.Methods) != 1 || !backendsWithErrors(problems)["shelf"] {
		t.Errorf("%d methods, %v", len(snapshot.Methods), problems)
	}
}

// TestStateSurvives starts a second gateway on the first one's folder while the
// backend is down: it serves from the files that were kept.
func TestStateSurvives(t *testing.T) {
	folder := t.TempDir()
	kept, err := openState(folder)
	if err != nil {
		t.Fatal(err)
	}
	shelf := filesOf(t, "shelf", goodShelf)
	if err := kept.keepFiles("shelf", shelf.Files); err != nil {
		t.Fatal(err)
	}
	g, err := New(&configv1.Config{
		State: proto.String(folder),
		Backends: []*configv1.Backend{
			{Name: proto.String("shelf"), Address: proto.String("127.0.0.1:1")},
		},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	if g.views.Load().snapshot.Methods["/shelf.v1.Shelves/GetShelf"] == nil {
		t.Error("the kept files are not served")
	}
	names, err := kept.names()
	if err != nil || names.Type("shelf.v1.Shelf") != "Shelf" {
		t.Errorf("the names were not kept: %v, %v", names, err)
	}
}

// TestDamagedState says what is done with files that somebody changed.
func TestDamagedState(t *testing.T) {
	kept, err := openState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"", "{", `{"backend":"other"}`, `{"backend":"shelf","set":"AAAA"}`} {
		if err := replaceFile(kept.filesPath("shelf"), []byte(data)); err != nil {
			t.Fatal(err)
		}
		if files := kept.files("shelf"); files != nil && len(files.Set.File) > 0 {
			t.Errorf("%q was taken for files", data)
		}
	}
	if err := replaceFile(kept.folder+"/"+namesFile, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.names(); err == nil {
		t.Error("a damaged lock of names was taken: types would be renamed")
	}
}
