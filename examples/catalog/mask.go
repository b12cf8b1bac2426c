package catalog

import (
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
)

// Fields that a client cannot change. A mask may name them; it has no effect.
var fixed = []string{"name", "copies_sold", "archived", "create_time", "etag"}

// maskPaths returns the paths to copy: those of the mask, all of them for `*`,
// and those that the book sets where there is no mask.
func maskPaths(mask *fieldmaskpb.FieldMask, b *catalogv1.Book) ([]string, *errdetails.BadRequest_FieldViolation) {
	paths := mask.GetPaths()
	if slices.Contains(paths, "*") {
		if len(paths) > 1 {
			return nil, violation("update_mask", "must not have other paths beside *")
		}
		return changeable(func(protoreflect.FieldDescriptor) bool { return true }), nil
	}
	if len(paths) == 0 {
		return changeable(b.ProtoReflect().Has), nil
	}
	for _, path := range paths {
		if _, err := fieldmaskpb.New(b, path); err != nil {
			return nil, violation("update_mask", "has %q, which is no field of a book", path)
		}
	}
	return slices.DeleteFunc(slices.Clone(paths), isFixed), nil
}

func isFixed(path string) bool {
	first, _, _ := strings.Cut(path, ".")
	return slices.Contains(fixed, first)
}

// changeable returns the names of the fields that a client may change.
func changeable(keep func(protoreflect.FieldDescriptor) bool) []string {
	var paths []string
	fields := (&catalogv1.Book{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); keep(f) && !isFixed(string(f.Name())) {
			paths = append(paths, string(f.Name()))
		}
	}
	return paths
}

// copyPath makes dst at the path like src at the path: set, or absent.
func copyPath(dst, src protoreflect.Message, path []string) {
	f := dst.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	switch {
	case len(path) > 1 && (src.Has(f) || dst.Has(f)):
		copyPath(dst.Mutable(f).Message(), src.Get(f).Message(), path[1:])
	case len(path) > 1:
	case src.Has(f):
		dst.Set(f, src.Get(f))
	default:
		dst.Clear(f)
	}
}
