package schema

import (
	"strings"
	"testing"
)

// TestKnownImports imports files that are not in the folder, one a time, and uses a type of each.
func TestKnownImports(t *testing.T) {
	for path, use := range map[string]string{
		"google/api/annotations.proto":               `rpc Do(R) returns (R) { option (google.api.http) = {get: "/r"}; }`,
		"google/api/config_change.proto":             "google.api.ConfigChange",
		"google/api/distribution.proto":              "google.api.Distribution",
		"google/api/error_reason.proto":              "google.api.ErrorReason",
		"google/api/expr/v1alpha1/syntax.proto":      "google.api.expr.v1alpha1.Expr",
		"google/api/monitored_resource.proto":        "google.api.MonitoredResource",
		"google/api/quota.proto":                     "google.api.Quota",
		"google/api/visibility.proto":                "google.api.VisibilityRule",
		"google/longrunning/operations.proto":        "google.longrunning.Operation",
		"google/protobuf/compiler/plugin.proto":      "google.protobuf.compiler.Version",
		"google/protobuf/source_context.proto":       "google.protobuf.SourceContext",
		"google/rpc/code.proto":                      "google.rpc.Code",
		"google/rpc/context/attribute_context.proto": "google.rpc.context.AttributeContext",
		"google/rpc/context/audit_context.proto":     "google.rpc.context.AuditContext",
		"google/rpc/error_details.proto":             "google.rpc.BadRequest",
		"google/rpc/http.proto":                      "google.rpc.HttpRequest",
		"google/type/date.proto":                     "google.type.Date",
		"google/type/dayofweek.proto":                "google.type.DayOfWeek",
		"google/type/interval.proto":                 "google.type.Interval",
		"google/type/money.proto":                    "google.type.Money",
		"google/type/phone_number.proto":             "google.type.PhoneNumber",
		"google/type/postal_address.proto":           "google.type.PostalAddress",
	} {
		t.Run(path, func(t *testing.T) {
			field, method := use+" used = 1;", "rpc Do(R) returns (R);"
			if strings.HasPrefix(use, "rpc") {
				field, method = "", use
			}
			folder := writeFolder(t, map[string]string{
				"a.proto": "syntax = \"proto3\"; package a; import \"" + path + "\"; message R { " + field + " } service A { " + method + " }",
			})
			files, err := (&ProtoFolder{Dir: folder}).Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if snapshot, problems := Compile(Input{Backends: []BackendFiles{{Name: "a", Files: files}}}); len(snapshot.Methods) != 1 || len(problems) > 0 {
				t.Errorf("%d methods, problems %v", len(snapshot.Methods), problems)
			}
		})
	}
}

// BenchmarkEmbeddedFiles links what is embedded, as the first import of it does.
func BenchmarkEmbeddedFiles(b *testing.B) {
	for b.Loop() {
		linkEmbedded()
	}
}
