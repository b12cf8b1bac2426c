package schema

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// PositionOf returns where a declaration stands, as `file.proto:line:column`, or
// the file alone where the source gave no positions.
func PositionOf(d protoreflect.Descriptor) string {
	file := d.ParentFile()
	return formatPosition(file, file.SourceLocations().ByDescriptor(d))
}

// positionAt is PositionOf for the first of the paths that has a position.
func positionAt(file protoreflect.FileDescriptor, paths ...protoreflect.SourcePath) string {
	for _, path := range paths {
		if location := file.SourceLocations().ByPath(path); location.Path != nil {
			return formatPosition(file, location)
		}
	}
	return file.Path()
}

func formatPosition(file protoreflect.FileDescriptor, location protoreflect.SourceLocation) string {
	if location.Path == nil {
		return file.Path()
	}
	return fmt.Sprintf("%s:%d:%d", file.Path(), location.StartLine+1, location.StartColumn+1)
}
