package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// writeFolder writes files by slash-separated path into a new folder.
func writeFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), content)
	}
	return dir
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestProtoFolder loads the files of each archive and compares what comes of them
// with the file `want` in it: the services and files, or the error.
func TestProtoFolder(t *testing.T) {
	cases, err := filepath.Glob("testdata/protofolder/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("there are no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := make(map[string]string)
			for _, file := range archive.Files {
				files[file.Name] = string(file.Data)
			}
			want := files["want"]
			delete(files, "want")
			if got := describeFolder(t.Context(), writeFolder(t, files)); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func describeFolder(ctx context.Context, dir string) string {
	files, err := (&ProtoFolder{Dir: dir}).Load(ctx)
	if err != nil {
		return strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
	}
	var out strings.Builder
	for _, service := range files.Services {
		fmt.Fprintln(&out, "service", service)
	}
	for _, file := range files.Set.GetFile() {
		fmt.Fprintln(&out, "file", file.GetName())
	}
	return out.String()
}

func TestProtoFolderKeepsOptionsAndComments(t *testing.T) {
	dir := writeFolder(t, map[string]string{"shop.proto": `
		syntax = "proto3";
		package shop;
		import "protean/options/v1/options.proto";
		message Item {}
		// Sells things.
		service Shop {
		  rpc Get(Item) returns (Item) { option (protean.options.v1.method).graphql.name = "item"; }
		}`})
	files, err := (&ProtoFolder{Dir: dir}).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := fileNamed(t, files, "shop.proto")
	options := file.GetService()[0].GetMethod()[0].GetOptions()
	method, _ := proto.GetExtension(options, optionsv1.E_Method).(*optionsv1.MethodOptions)
	if got := method.GetGraphql().GetName(); got != "item" {
		t.Errorf("option %v, want the name item", method)
	}
	var comments []string
	for _, location := range file.GetSourceCodeInfo().GetLocation() {
		comments = append(comments, location.GetLeadingComments())
	}
	if !strings.Contains(strings.Join(comments, ""), "Sells things.") {
		t.Error("the comment on the service is lost")
	}
}

func fileNamed(t *testing.T, files *Files, path string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	for _, file := range files.Set.GetFile() {
		if file.GetName() == path {
			return file
		}
	}
	t.Fatalf("there is no file %s", path)
	return nil
}

func TestProtoFolderLinks(t *testing.T) {
	const content = `syntax = "proto3"; package p; message M {} service S { rpc Get(M) returns (M); }`
	outside := writeFolder(t, map[string]string{"secret.proto": content})
	tests := []struct {
		name, from, to string
		want           string
	}{
		// As Kubernetes mounts a ConfigMap.
		{"within", "..data/real.proto", "linked.proto", "service p.S\nfile linked.proto\n"},
		{"absolute", filepath.Join(outside, "secret.proto"), "linked.proto", "DIR: openat linked.proto: path escapes from parent\n"},
		{"relative", "../../../../../../../../etc/hostname", "linked.proto", "DIR: openat linked.proto: path escapes from parent\n"},
		{"to a folder", outside, "linked", "DIR: there are no .proto files in it\n"},
		{"to nothing", "nowhere.proto", "linked.proto", "DIR: openat linked.proto: no such file or directory\n"},
		{"to a folder within", "..data", "linked.proto", "DIR: linked.proto is not a regular file\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := writeFolder(t, map[string]string{"..data/real.proto": content})
			if err := os.Symlink(test.from, filepath.Join(dir, test.to)); err != nil {
				t.Fatal(err)
			}
			if got := describeFolder(t.Context(), dir); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestProtoFolderBounds(t *testing.T) {
	many, entries := make(map[string]string), make(map[string]string)
	for i := range maxFiles + 1 {
		many[fmt.Sprintf("f%d.proto", i)] = `syntax = "proto3";`
	}
	for i := range maxFolderEntries + 1 {
		entries[fmt.Sprintf("f%d", i)] = ""
	}
	tests := []struct {
		name  string
		files map[string]string
		err   string
	}{
		{"files", many, "there are more than 5000 files"},
		{"entries", entries, "there are more than 20000 entries; give the folder that imports start from"},
		{"bytes", map[string]string{"a.proto": strings.Repeat(" ", maxFilesBytes), "b.proto": " "}, "the files are larger than 32 MiB together"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := writeFolder(t, test.files)
			_, err := (&ProtoFolder{Dir: dir}).Load(t.Context())
			wantError(t, err, dir+": "+test.err)
		})
	}
}

func TestProtoFolderCycle(t *testing.T) {
	dir := writeFolder(t, map[string]string{"a.proto": `import "b.proto";`, "b.proto": `import "a.proto";`})
	// Which of the two files is named first is left to the compiler's scheduling.
	if got := describeFolder(t.Context(), dir); !strings.Contains(got, ".proto:1:8: cycle found in imports: ") {
		t.Errorf("got %s, want a cycle with its position", got)
	}
}

func TestProtoFolderMissing(t *testing.T) {
	_, err := (&ProtoFolder{Dir: "testdata/no-such-folder"}).Load(t.Context())
	wantError(t, err, "open testdata/no-such-folder: no such file or directory")
}

// An unchanged folder is read but not compiled again; a changed one is.
func TestProtoFolderReload(t *testing.T) {
	const content = `syntax = "proto3"; package p; message M {} service S { rpc Get(M) returns (M); }`
	source := &ProtoFolder{Dir: writeFolder(t, map[string]string{"a.proto": content})}
	load := func() *Files {
		files, err := source.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	first := load()
	if load() != first {
		t.Error("an unchanged folder gives other files")
	}
	writeFile(t, filepath.Join(source.Dir, "b.proto"), `syntax = "proto3"; package p; message N {}`)
	if load().Digest == first.Digest {
		t.Error("a changed folder gives the same files")
	}
}

func TestProtoFolderCancelled(t *testing.T) {
	source := &ProtoFolder{Dir: writeFolder(t, map[string]string{"a.proto": `syntax = "proto3";`})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if _, err := source.Load(t.Context()); err != nil {
		t.Errorf("a cancelled load is remembered: %v", err)
	}
}
