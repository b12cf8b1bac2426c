package clients

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Methods of the example services, as tools name them.
const (
	getBook     = "acme.catalog.v1.CatalogService/GetBook"
	watchParcel = "acme.tracking.v1.TrackingService/WatchParcel"
	report      = "acme.tracking.v1.TrackingService/ReportPositions"
	chat        = "acme.tracking.v1.TrackingService/Chat"
)

// toolCalls are what every tool asks for: all shapes of methods, and one that fails.
var toolCalls = []struct {
	method, data string
	want         string // in what is printed, as often as times says
	times        int
	exit         int
}{
	{getBook, `{"name":"books/emma"}`, `"Emma"`, 1, 0},
	{watchParcel, `{"parcel":"P-1001","maxEvents":2}`, `"P-1001"`, 2, 0},
	{report, `{"latitude":48.85,"longitude":2.35} {"latitude":52.5,"longitude":13.4}`, `"positions": 2`, 1, 0},
	{chat, `{"from":"ada","text":"hello"}`, `"text"`, 1, 0},
	{getBook, `{"name":"books/nothing"}`, `does not exist`, 1, 1},
}

// tool is a program with the arguments that lead to a call.
type tool struct {
	name string
	// arguments are put before those that a call adds.
	arguments func(method, data string) []string
	exit      int // of a failure with NOT_FOUND
}

// TestTools calls the example services with buf curl and grpcurl, by reflection and by schema, over
// gRPC, gRPC-Web and Connect.
func TestTools(t *testing.T) {
	buf, err := filepath.Abs("../../.bin/buf")
	if err != nil {
		t.Fatal(err)
	}
	base := startDemo(t)
	grpcurl := filepath.Join(t.TempDir(), "grpcurl")
	runIn(t, ".", "go", "build", "-o", grpcurl, "github.com/fullstorydev/grpcurl/cmd/grpcurl")
	address := strings.TrimPrefix(base, "http://")
	schema := filepath.Join(t.TempDir(), "schema.binpb")
	runIn(t, ".", grpcurl, "-plaintext", "-protoset-out", schema, address, "describe")

	tools := []tool{{
		name:      grpcurl,
		arguments: func(method, data string) []string { return []string{"-plaintext", "-d", data, address, method} },
		exit:      64 + 5,
	}}
	for _, protocol := range []string{"grpc", "grpcweb", "connect"} {
		for _, more := range [][]string{{}, {"--schema", schema, "--reflect=false"}, {"--schema", schema, "--reflect=false", "--http2-prior-knowledge"}} {
			tools = append(tools, tool{
				name: buf,
				arguments: func(method, data string) []string {
					return slices.Concat([]string{"curl", "--protocol", protocol, "--data", data}, more, []string{base + "/" + method})
				},
				exit: 5 << 3,
			})
		}
	}
	for _, tool := range tools {
		for _, c := range toolCalls {
			arguments := tool.arguments(c.method, c.data)
			t.Run(filepath.Base(tool.name)+" "+strings.Join(arguments, " "), func(t *testing.T) {
				out, exit := runTool(t, tool.name, arguments...)
				if exit != c.exit*tool.exit || strings.Count(out, c.want) < c.times {
					t.Errorf("exit code %d\n%s", exit, out)
				}
			})
		}
	}
}

// TestCurl calls them with curl over HTTP/1.1 and HTTP/2.
func TestCurl(t *testing.T) {
	curl := installed(t, "curl")
	base := startDemo(t)
	for _, version := range []string{"--http1.1", "--http2", "--http2-prior-knowledge"} {
		for _, c := range []struct {
			arguments []string
			want      string
		}{
			{[]string{"/v1/books/emma"}, `"title":"Emma"`},
			{[]string{"--compressed", "/v1/books?pageSize=100"}, `"title":"Emma"`},
			{[]string{"/v1/parcels/P-1001:watch?maxEvents=2"}, `{"end":{}}`},
			{[]string{"-d", `{"from":"ada","text":"hello"}`, "/v1/chat"}, `{"end":{}}`}, // as a form, says curl
			{[]string{"-H", "Content-Type: application/x-ndjson", "-d", `{"latitude":1}`, "/v1/positions:report"}, `"positions":1`},
			{[]string{"-d", "title=From a form", "-d", "author=authors/austen", "/v1/books?bookId=form" + strings.NewReplacer("-", "", ".", "").Replace(version)}, `"title":"From a form"`},
			{[]string{"-F", "title=From parts", "-F", "author=authors/austen", "-F", "cover=@rpc/package.json", "/v1/books?bookId=parts" + strings.NewReplacer("-", "", ".", "").Replace(version)}, `"cover":"`},
			{[]string{"-H", "Connect-Protocol-Version: 1", "--json", `{"name":"books/nothing"}`, "/" + getBook}, `"code":"not_found"`},
			{[]string{"-H", "Accept: application/problem+json", "/v1/books/nothing"}, `"type":"about:blank"`},
		} {
			arguments := slices.Concat([]string{"-sS", version}, c.arguments[:len(c.arguments)-1], []string{base + c.arguments[len(c.arguments)-1]})
			t.Run(strings.Join(arguments, " "), func(t *testing.T) {
				if out, exit := runTool(t, curl, arguments...); exit != 0 || !strings.Contains(out, c.want) {
					t.Errorf("exit code %d\n%s", exit, out)
				}
			})
		}
	}
}

// runTool runs a program and returns what it printed and its exit code.
func runTool(t *testing.T, name string, arguments ...string) (out string, exit int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, arguments...)
	var all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &all, &all
	err := cmd.Run()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return all.String(), failed.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return all.String(), 0
}
