"""Lines of Python and what their words are."""

from unrolled.tasks.tag.code import lines_of_code, tagged_lines

SOURCE = '''import json as j
"""A string alone."""
class Thing(Base):
    def get(self, key=1, *more):
        # A comment.
        return self.cache.pop(key,
                              default=[f(x) for x in j.loads("a" + self.b)])
x
'''


def test_names_have_the_roles_that_they_play() -> None:
    lines = [" ".join(f"{word}:{tag}" for word, tag in line) for line in tagged_lines(SOURCE)]
    # What follows "as" is a name of the line's own.
    assert lines[0] == "import:keyword json:import as:keyword j:variable"
    assert lines[1] == "class:keyword Thing:class (:operator Base:variable ):operator ::operator"
    assert lines[2] == (
        "def:keyword get:function (:operator self:parameter ,:operator key:parameter =:operator "
        "1:number ,:operator *:operator more:parameter ):operator ::operator"
    )
    assert lines[3] == (
        "return:keyword self:variable .:operator cache:attribute .:operator pop:method (:operator "
        "key:variable ,:operator default:keyword argument =:operator [:operator f:call (:operator "
        "x:variable ):operator for:keyword x:variable in:keyword j:variable .:operator "
        "loads:method (:operator '...':string +:operator self:variable .:operator b:attribute "
        "):operator ]:operator ):operator"
    )
    assert len(lines) == 4


def test_each_line_of_a_module_comes_once() -> None:
    data = lines_of_code(["heapq", "heapq"])
    assert len(set(data.words)) == len(data)
    (place,) = [k for k, words in enumerate(data.words) if words[:2] == ("def", "heappush")]
    assert data.tags[place][:4] == ("keyword", "function", "operator", "parameter")
