package variants

// Every returns n and, one at a time, each small change to it: every element
// left out, repeated, exchanged with its next sibling or put into the
// namespace of the wrapper, and every leaf with every value near a facet, bare
// and among white space.
func Every(n *Node) []string {
	messages := []string{n.String()}
	for i := range n.all() {
		change := func(apply func(target *Node)) {
			c := n.Clone()
			apply(c.all()[i])
			messages = append(messages, c.String())
		}
		original := n.all()[i]
		for j := range original.Children {
			change(func(t *Node) { t.Children = append(t.Children[:j:j], t.Children[j+1:]...) })
			change(func(t *Node) { t.insert(j, t.Children[j].Clone()) })
			change(func(t *Node) { t.Children[j].Name = "pafn:" + t.Children[j].Name })
			if j > 0 {
				change(func(t *Node) { t.Children[j-1], t.Children[j] = t.Children[j], t.Children[j-1] })
			}
		}
		for _, a := range attributes {
			change(func(t *Node) { t.Attributes += a })
		}
		change(func(t *Node) { t.Text += "testo" })
		if len(original.Children) > 0 {
			continue
		}
		for _, v := range values {
			change(func(t *Node) { t.Text = v })
			change(func(t *Node) { t.Text = "\n " + v + "\t" })
		}
	}
	return messages
}
