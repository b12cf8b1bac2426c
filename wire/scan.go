package wire

// space moves over white space and returns the byte that follows, 0 at the end
// of the document.
func (d *decoder) space() byte {
	if d.pos < len(d.json) && d.json[d.pos] > ' ' {
		return d.json[d.pos]
	}
	return d.longSpace()
}

func (d *decoder) longSpace() byte {
	for d.pos < len(d.json) {
		switch c := d.json[d.pos]; c {
		case ' ', '\n', '\t', '\r':
			d.pos++
		default:
			return c
		}
	}
	return 0
}

// open moves over the bracket that begins an object or a list, one level deeper.
func (d *decoder) open(bracket byte, what string) error {
	if d.space() != bracket {
		return d.expected(what)
	}
	if d.levels == 0 {
		return d.fail(d.pos, "the document is nested too deeply")
	}
	d.levels--
	d.pos++
	return nil
}

// member moves to the name of an object's next member, or past the object's
// end. First says that no member was read yet.
func (d *decoder) member(first bool) (bool, error) {
	c := d.space()
	if c == '}' {
		d.levels++
		d.pos++
		return false, nil
	}
	if !first {
		if c != ',' {
			return false, d.expected("a comma or }")
		}
		d.pos++
		c = d.space()
	}
	if c != '"' {
		return false, d.expected("a name in double quotes")
	}
	return true, nil
}

// element moves to the next element of a list, or past the list's end. First
// says that no element was read yet.
func (d *decoder) element(first bool) (bool, error) {
	c := d.space()
	if c == ']' {
		d.levels++
		d.pos++
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, d.expected("a comma or ]")
	}
	d.pos++
	d.space()
	return true, nil
}

func (d *decoder) colon() error {
	if d.space() != ':' {
		return d.expected("a colon")
	}
	d.pos++
	return nil
}

// noMore checks that nothing but white space is left.
func (d *decoder) noMore() error {
	d.space()
	if d.pos < len(d.json) {
		return d.fail(d.pos, "there is more after the end of the document")
	}
	return nil
}

// name reads the name of a member and the colon. The result is valid until the
// next name or text is read.
func (d *decoder) name() ([]byte, error) {
	name, err := d.text()
	if err != nil {
		return nil, err
	}
	return name, d.colon()
}

// literal moves over null, true or false.
func (d *decoder) literal(word string) error {
	rest := d.json[d.pos:]
	if len(rest) < len(word) || string(rest[:len(word)]) != word {
		return d.fail(d.pos, "expected "+word)
	}
	d.pos += len(word)
	return nil
}

// number moves over a number and returns its text.
func (d *decoder) number() ([]byte, error) {
	end := numberEnd(d.json, d.pos)
	if end < 0 {
		return nil, d.fail(d.pos, "this is not a valid number")
	}
	raw := d.json[d.pos:end]
	d.pos = end
	return raw, nil
}

// skip moves over a value of any kind and checks its syntax.
func (d *decoder) skip() error {
	switch c := d.space(); c {
	case '{':
		return d.skipObject()
	case '[':
		return d.skipList()
	case '"':
		_, err := d.text()
		return err
	case 'n':
		return d.literal("null")
	case 't':
		return d.literal("true")
	case 'f':
		return d.literal("false")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		_, err := d.number()
		return err
	}
	return d.expected("a value")
}

func (d *decoder) skipObject() error {
	start := d.pos
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := d.member(first)
		if !more {
			return err
		}
		name, err := d.name()
		if err != nil {
			return err
		}
		d.anys.note(start, d.pos, name)
		if err := d.skip(); err != nil {
			return err
		}
	}
}

func (d *decoder) skipList() error {
	if err := d.open('[', "a list"); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := d.element(first)
		if !more {
			return err
		}
		if err := d.skip(); err != nil {
			return err
		}
	}
}
