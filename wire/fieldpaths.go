package wire

// FieldPaths returns the field mask of a JSON document: the paths, in proto names,
// of the leaves it sets, maps and lists and well-known types taken whole, in the
// order of the document. A null is a leaf: it clears the field. So is an object
// without members. Unknown members are left out. The document must have been
// accepted by AppendWire with the default depth. An extension, which no field
// mask can name, is an [*Error].
func (m *Message) FieldPaths(json []byte) ([]string, error) {
	d := newDecoder(nil, json, DecodeOptions{})
	defer d.free()
	var paths []string
	err := d.fieldPaths(m, "", &paths)
	if err != nil {
		return nil, d.finish(err)
	}
	return paths, nil
}

// fieldPaths appends the paths of the members of the object at a path.
func (d *decoder) fieldPaths(m *Message, at string, paths *[]string) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	o := object{message: m}
	for first := true; ; first = false {
		more, err := d.member(first)
		switch {
		case err != nil:
			return err
		case !more && first && at != "":
			*paths = append(*paths, at)
			return nil
		case !more:
			return nil
		}
		if err := d.memberPaths(&o, at, paths); err != nil {
			return err
		}
	}
}

func (d *decoder) memberPaths(o *object, at string, paths *[]string) error {
	start := d.pos
	f, _, err := d.fieldName(o)
	if err != nil {
		return err
	}
	if f == nil {
		return d.skip()
	}
	o.next = f.slot + 1
	if f.desc.IsExtension() {
		return within(d.fail(start, "an extension cannot be named in a field mask"), f.jsonName)
	}
	path := string(f.desc.Name())
	if at != "" {
		path = at + "." + path
	}
	if d.space() == '{' && f.isPlainMessage() {
		return within(d.fieldPaths(f.message, path, paths), f.jsonName)
	}
	*paths = append(*paths, path)
	return d.skip()
}

// isPlainMessage reports whether a field mask may lead through the field.
func (f *Field) isPlainMessage() bool {
	return f.message != nil && !f.isMap && !f.repeated && f.message.wellKnown == ordinary
}
