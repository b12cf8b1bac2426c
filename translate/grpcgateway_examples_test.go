package translate

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	_ "google.golang.org/genproto/googleapis/api/visibility" // which one of the examples imports

	"github.com/protean-gateway/protean/rpc/rpctest"
)

// grpcGatewayExamples returns the .proto files of grpc-gateway's own examples, by path.
func grpcGatewayExamples(t *testing.T) map[string]string {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/grpc-ecosystem/grpc-gateway/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	sources, root := make(map[string]string), os.DirFS(strings.TrimSpace(string(out)))
	for _, folder := range []string{"examples/internal/proto", "protoc-gen-openapiv2/options"} {
		err := fs.WalkDir(root, folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".proto" {
				return err
			}
			text, err := fs.ReadFile(root, path)
			sources[path] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return sources
}

// TestGRPCGatewayExamples serves what grpc-gateway shows that it can serve. Every binding has a route, but
// for those that two services claim, and a path of each leads both gateways to the same method. Where routes
// overlap, here the more specific one serves, and there the last.
func TestGRPCGatewayExamples(t *testing.T) {
	rest, problems := NewREST(rpctest.Compile(t, grpcGatewayExamples(t)), nil, RESTOptions{})
	for _, p := range problems {
		if strings.Contains(p.Message, " is not served: ") && !strings.HasSuffix(p.Element, ".Foo2Service.Foo2") && !strings.HasSuffix(p.Element, ".VisibilityRuleEchoService.Echo") {
			t.Errorf("%s: %s", p.Element, p.Message)
		}
	}
	var theirs Route
	mux, routes := runtime.NewServeMux(), 0
	for _, r := range rest.Routes() {
		err := mux.HandlePath(r.Verb, r.Template, func(http.ResponseWriter, *http.Request, map[string]string) { theirs = r })
		if err != nil {
			t.Fatalf("%s: %v", r.Template, err)
		}
	}
	for _, r := range rest.Routes() {
		if r.Verb == anyMethod {
			continue
		}
		routes++
		path := examplePath(r)
		ours, ok := rest.Match(r.Verb, path)
		theirs = Route{}
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(r.Verb, path, nil))
		switch {
		case !ok || theirs.Method == nil:
			t.Errorf("%s %s: ours %v, theirs %v", r.Verb, path, ok, theirs.Template)
		case ours.Method == theirs.Method:
		default:
			if _, overlap := ours.Overlap(theirs); !overlap || strings.Contains(ours.Template, "{") {
				t.Errorf("%s %s: ours %s, theirs %s", r.Verb, path, ours.Template, theirs.Template)
			}
		}
	}
	if routes < 200 {
		t.Errorf("%d routes", routes)
	}
}

// examplePath returns a path that a route takes.
func examplePath(r Route) string {
	return strings.NewReplacer("**", "a/b", "*", "x").Replace(r.Shape())
}
