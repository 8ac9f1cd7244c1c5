"""Sequence to sequence against torch's LSTM and a loop written out, one sequence at a time."""

import copy
import itertools
import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import unrolled as ur
from unrolled.nn import (
    BahdanauAttention,
    Decoder,
    Encoder,
    EncoderDecoder,
    LuongAttention,
    Scheduled,
)
from unrolled.nn.encoder_decoder import Bridge, Encoded

# float64, some hundred roundings of numbers of size 1, summed in another order.
EXACT = {"rtol": 1e-11, "atol": 1e-12}
B, S, T, H, X, V = 3, 6, 5, 4, 9, 8  # X source tokens, V target tokens
SOURCE_LENGTHS, TARGET_LENGTHS = torch.tensor([6, 2, 4]), torch.tensor([3, 5, 1])
ATTENTIONS = {
    "none": None,
    "dot": partial(LuongAttention, score="dot"),
    "general": "luong",
    "concat": partial(LuongAttention, score="concat", output_size=6),
    "feeding": partial(LuongAttention, input_feeding=True),
    "bahdanau": partial(BahdanauAttention, attention_size=7),
}


def _model(attention="luong", hidden_size=H, **options) -> EncoderDecoder:
    options = {"embedding_size": 5, "num_layers": 2, **options}
    if options.get("bidirectional", True) and attention is ATTENTIONS["dot"]:
        options["bidirectional"] = False
    return EncoderDecoder.of_tokens(X, V, hidden_size, attention=attention, **options).double()


def _tokens(lengths, count, time, lowest=3) -> Tensor:
    tokens = torch.randint(lowest, count, (len(lengths), time))
    return tokens.masked_fill(torch.arange(time) >= lengths[:, None], 0)


def _pairs() -> tuple[Tensor, Tensor]:
    return _tokens(SOURCE_LENGTHS, X, S), _tokens(TARGET_LENGTHS, V, T)


def _gradients(model, *outputs) -> list[Tensor]:
    """Of a sum with weights that tell all entries apart, with respect to every parameter."""
    total: Tensor = torch.zeros((), dtype=torch.float64)
    for output in outputs:
        probe = torch.cos(torch.arange(output.numel(), dtype=torch.float64)).view_as(output)
        total = total + (probe * output).sum()
    found = torch.autograd.grad(total, list(model.parameters()), allow_unused=True)
    return [
        torch.zeros_like(p) if g is None else g
        for g, p in zip(found, model.parameters(), strict=True)
    ]


def _finals(state) -> list[Tensor]:
    return [state] if torch.is_tensor(state) else list(state)


# The reference: torch's LSTM, and the papers' equations for one sequence without padding.


def _encode(encoder, tokens):
    """The memory [S, M] and by layer [forward h, reverse h, forward c, reverse c]."""
    directions = 2 if encoder.recurrent.bidirectional else 1
    x, states = encoder.embedding.weight[tokens][None], []
    for layer in range(encoder.recurrent.num_layers):
        cells = encoder.recurrent.cells[layer * directions : (layer + 1) * directions]
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ours = {
            f"{name}_l0{'_reverse' * way}": getattr(cell, name)
            for way, cell in enumerate(cells)
            for name in names
        }
        lstm = nn.LSTM(x.shape[2], H, batch_first=True, bidirectional=directions == 2).double()
        x, (h, c) = functional_call(lstm, ours, (x,))
        states.append(torch.cat([*h[:, 0], *c[:, 0]]))
    return x[0], states


def _attend(attention, query, memory):
    """Scores as in the papers; `test_attention` has them number by number."""
    score = attention.score
    if hasattr(score, "v"):
        inside = torch.tanh(score.from_query.weight @ query + memory @ score.from_memory.weight.T)
        numbers = inside @ score.v.weight[0]
    elif hasattr(score, "from_memory"):
        numbers = torch.stack([query @ score.from_memory.weight @ m for m in memory])
    else:
        numbers = torch.stack([query @ m for m in memory])
    weights = torch.exp(numbers) / torch.exp(numbers).sum()
    return weights @ memory, weights


def _decode(model, source, targets):
    """Logits [T, V], weights [T, S] and the last states of a pair, teacher forced."""
    memory, finals = _encode(model.encoder, source)
    decoder, attention = model.decoder, model.decoder.attention
    states = [
        torch.tanh(each.weight @ final + each.bias).split([H, H])
        for each, final in zip(model.bridge.maps, finals, strict=True)
    ]
    fed = torch.zeros(attention.fed_size if attention else 0, dtype=torch.float64)
    logits, weights = [], []
    for token in [decoder.start, *targets[:-1].tolist()]:
        embedded = decoder.embedding.weight[token]
        if isinstance(attention, BahdanauAttention):
            fed, seen = _attend(attention, states[-1][0], memory)
        x = torch.cat([embedded, fed])
        for k, cell in enumerate(decoder.recurrent.cells):
            module = nn.LSTMCell(cell.input_size, H).double()
            h, c = (each[None] for each in states[k])
            h, c = functional_call(module, dict(cell.named_parameters()), (x[None], (h, c)))
            states[k], x = (h[0], c[0]), h[0]
        if isinstance(attention, LuongAttention):
            context, seen = _attend(attention, x, memory)
            x = torch.tanh(attention.combine.weight @ torch.cat([context, x]))
            fed = x if attention.input_feeding else fed
        elif attention:
            x = torch.cat([x, fed, embedded])
        logits.append(decoder.readout.weight @ x + decoder.readout.bias)
        if attention:
            weights.append(seen)
    return torch.stack(logits), torch.stack(weights) if weights else None, states


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("name", ATTENTIONS)
def test_teacher_forced_numbers_are_torchs_lstm_and_a_loop(name, bidirectional) -> None:
    model = _model(ATTENTIONS[name], bidirectional=bidirectional)
    source, targets = _pairs()
    found = model(source, targets)
    logits = torch.zeros(B, T, V, dtype=torch.float64)
    weights = torch.zeros(B, T, S, dtype=torch.float64)
    finals = [torch.zeros(2, B, H, dtype=torch.float64) for _ in range(2)]
    for b, (s, t) in enumerate(zip(SOURCE_LENGTHS, TARGET_LENGTHS, strict=True)):
        one, seen, states = _decode(model, source[b, :s], targets[b, :t])
        logits[b, :t] = one
        if seen is not None:
            weights[b, :t, :s] = seen
        for layer, component in itertools.product(range(2), range(2)):
            finals[component][layer, b] = states[layer][component]
    torch.testing.assert_close(found.logits, logits, **EXACT)
    if name == "none":
        assert found.weights is None
    else:
        torch.testing.assert_close(found.weights, weights, **EXACT)
    torch.testing.assert_close(list(found.final), finals, **EXACT)
    assert found.lengths.tolist() == TARGET_LENGTHS.tolist()
    expected = _gradients(model, logits, *finals)
    torch.testing.assert_close(_gradients(model, found.logits, *found.final), expected, **EXACT)
    # Half of all expected gradients being zero would prove nothing.
    assert sum(bool(g.any()) for g in expected) >= len(expected) - (name == "none")


NEVER = Scheduled(5e-324)  # goes step by step, and never takes the model's own choice


@pytest.mark.parametrize("name", ["none", "general"])
@pytest.mark.parametrize(
    "cell", ["lstm", "gru", "elman", "mgu", "jordan", "lru", "echo-state", "slstm"]
)
def test_one_unroll_and_step_by_step_are_the_same(name, cell) -> None:
    model = _model(ATTENTIONS[name], cell=cell)
    source, targets = _pairs()
    found, compared = [], [model(source, targets), model(source, targets, forcing=NEVER)]
    for each in compared:
        values = [each.logits, *_finals(each.final), *([] if name == "none" else [each.weights])]
        found.append((values, each.lengths, _gradients(model, *values)))
    torch.testing.assert_close(*found, **EXACT)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"recurrent_dropout": 0.4},
        {"zoneout": [0.3, 0.1]},
        {"weight_drop": 0.5, "skip": True},
        {"recurrent_dropout": 0.4, "zoneout": 0.2, "weight_drop": 0.5},
    ],
)
def test_noise_of_a_sequence_is_drawn_once_on_both_ways(options, training) -> None:
    recurrent = ur.nn.Recurrent("lstm", 5, H, 2, **options)
    decoder = Decoder(recurrent, nn.Embedding(V, 5, padding_idx=0)).double().train(training)
    targets, found = _pairs()[1], []
    for forcing in ("teacher", NEVER):
        torch.manual_seed(1)
        # The flags of what is the model's own are drawn first.
        _ = torch.rand(targets.shape) if forcing == "teacher" else None
        run = decoder(targets, state=None, forcing=forcing)
        found.append((run.logits, run.final, _gradients(decoder, run.logits)))
    torch.testing.assert_close(*found, **EXACT)


@pytest.mark.parametrize("forcing", ["teacher", NEVER])
def test_dropout_takes_tokens_what_is_between_layers_and_what_is_read_out(forcing) -> None:
    """All of it: what is left are layers that read zeros, and the bias of the readout."""
    model = _model("luong", dropout=1.0)
    source, targets = _pairs()
    read, encoder = model.encoder(source), model.encoder.recurrent
    expected, final = encoder(torch.zeros(B, S, 5, dtype=torch.float64), lengths=SOURCE_LENGTHS)
    torch.testing.assert_close((read.memory, *read.final), (expected, *final), **EXACT)
    run, nothing = model(source, targets, forcing=forcing), torch.zeros(B, T, 5).double()
    decoder, start = model.decoder, model.bridge(read.final)
    h, final = decoder.recurrent(nothing, start, lengths=TARGET_LENGTHS)
    torch.testing.assert_close(run.final, final, **EXACT)
    _, weights = decoder.attention(h, read.memory, SOURCE_LENGTHS)
    bias = decoder.readout.bias.expand(B, T, V)
    torch.testing.assert_close(run.logits[run.valid], bias[run.valid], rtol=0, atol=0)
    torch.testing.assert_close(run.weights[run.valid], weights[run.valid], **EXACT)
    still = model.eval()(source, targets)
    torch.testing.assert_close(still.logits, model(source, targets, forcing=NEVER).logits, **EXACT)
    assert (still.logits - run.logits)[run.valid].abs().max() > 0.01


@pytest.mark.parametrize("name", ["none", "general"])
def test_the_one_unroll_is_one_and_keys_are_projected_once(name, monkeypatch) -> None:
    model, unrolls, projections = _model(ATTENTIONS[name], num_layers=1), [], []
    from unrolled.nn import stack

    original = stack.unroll
    monkeypatch.setattr(stack, "unroll", lambda *a, **k: unrolls.append(1) or original(*a, **k))
    if name == "general":
        model.decoder.attention.score.from_memory.register_forward_hook(
            lambda *_: projections.append(1)
        )
    source, targets = _pairs()
    model(source, targets)
    assert len(unrolls) == 3  # both directions of the encoder, and the decoder
    model(source, targets, forcing="free")
    model.beam(source, max_steps=4)
    assert len(projections) == (3 if name == "general" else 0)


@pytest.mark.parametrize("forcing", ["teacher", "free", Scheduled(0.5)])
@pytest.mark.parametrize("name", ATTENTIONS)
def test_padding_has_no_effect(name, forcing) -> None:
    """Other content, more of it, on both sides: the same numbers and gradients."""
    model = _model(ATTENTIONS[name])
    source, targets = _pairs()
    lengths = {"source_lengths": SOURCE_LENGTHS, "target_lengths": TARGET_LENGTHS}
    beyond = torch.arange(S) >= SOURCE_LENGTHS[:, None]
    filled = source.masked_fill(beyond, 7)
    wider = torch.cat([filled, torch.full((B, 3), -5)], dim=1)
    other = targets.masked_fill(torch.arange(T) >= TARGET_LENGTHS[:, None], -100)
    found = []
    for x, y, options in ((source, targets, {}), (filled, other, lengths), (wider, other, lengths)):
        torch.manual_seed(3)
        run = model(x, y, forcing=forcing, **options)
        weights = [] if run.weights is None else [run.weights[:, :, :S]]
        assert run.weights is None or not run.weights[:, :, S:].any()
        values = [run.logits, run.loss(y), *weights, *_finals(run.final)]
        found.append((values, _gradients(model, *values)))
    torch.testing.assert_close(found[1], found[0], **EXACT)
    torch.testing.assert_close(found[2], found[0], **EXACT)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_several_pairs_are_each_alone(name) -> None:
    model = _model(ATTENTIONS[name])
    source, targets = _pairs()
    together = model(source, targets)
    free = model(source, forcing="free", steps=6)
    best = model.beam(source, max_steps=6, n_best=3)
    for b, (s, t) in enumerate(zip(SOURCE_LENGTHS, TARGET_LENGTHS, strict=True)):
        alone = model(source[b : b + 1, :s], targets[b : b + 1, :t])
        torch.testing.assert_close(together.logits[b, :t], alone.logits[0], **EXACT)
        running = model(source[b : b + 1, :s], forcing="free", steps=6)
        length = int(running.lengths)
        assert int(free.lengths[b]) == length
        torch.testing.assert_close(free.logits[b, :length], running.logits[0], **EXACT)
        one = model.beam(source[b : b + 1, :s], max_steps=6, n_best=3)
        torch.testing.assert_close(best.scores[b], one.scores[0], **EXACT)
        longest = one.tokens.shape[2]
        assert best.tokens[b, :, :longest].tolist() == one.tokens[0].tolist()


@pytest.mark.parametrize("name", ATTENTIONS)
def test_scheduled_is_teacher_at_0_and_free_at_1(name) -> None:
    model = _model(ATTENTIONS[name])
    source, targets = _pairs()
    for p, forcing in ((0.0, "teacher"), (1.0, "free")):
        scheduled = model(source, targets, forcing=Scheduled(p))
        other = model(source, targets, forcing=forcing)
        torch.testing.assert_close(scheduled.logits, other.logits, **EXACT)
        assert scheduled.tokens.tolist() == other.tokens.tolist()


@pytest.mark.parametrize("name", ATTENTIONS)
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_what_scheduled_sampling_fed_teacher_forces_the_same(name, p) -> None:
    model = _model(ATTENTIONS[name])
    source, targets = _pairs()
    lengths = torch.full((B,), T)
    torch.manual_seed(5)
    run = model(source, targets, target_lengths=lengths, forcing=Scheduled(p))
    torch.manual_seed(5)
    own = torch.rand(B, T) < p
    # y(t-1) as it was fed: the model's likeliest token of the step before, or the true one.
    fed = torch.where(own[:, 1:], run.tokens[:, :-1], targets[:, :-1])
    forced = model(source, torch.cat([fed, targets[:, -1:]], dim=1), target_lengths=lengths)
    torch.testing.assert_close(run.logits, forced.logits, **EXACT)
    torch.testing.assert_close(
        _gradients(model, run.logits), _gradients(model, forced.logits), **EXACT
    )


def test_the_models_own_choice_can_be_drawn_from_its_probabilities() -> None:
    decoder = Decoder.of_tokens(3, 2, attention=None, padding=None).double()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        decoder.readout.bias.copy_(torch.tensor([0.2, 0.3, 0.5]).log())
        # The state tells which token came before, through the candidate of the cell.
        decoder.embedding.weight[:, 0] = torch.tensor([-1.0, 0.0, 1.0])
        decoder.recurrent.cells[0].weight_ih[4, 0] = 1.0
        decoder.recurrent.cells[0].bias_ih[2:4] = -100.0
    count = 20_000
    targets = torch.zeros(count, 2, dtype=torch.int64)
    drawn = decoder(targets, forcing=Scheduled(1.0, sample=True)).final[1][0, :, 0].sign()
    shares = torch.stack([(drawn == sign).double().mean() for sign in (-1, 0, 1)])
    # Four standard deviations of a share of 20 000 draws, sqrt(0.25 / 20 000) each.
    torch.testing.assert_close(
        shares, torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64), rtol=0, atol=0.0142
    )


def _with_ends(model, source) -> None:
    """Large parameters, and an end as likely as makes some sequences end before others."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        while len(found := set(model.greedy(source, max_steps=9).lengths.flatten().tolist())) < 3:
            model.decoder.readout.bias[2] += 0.02 * (1 if max(found) == 9 else -1)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_free_running_is_greedy_search_and_stops_at_the_end(name) -> None:
    model = _model(ATTENTIONS[name])
    source = _tokens(torch.randint(1, S + 1, (20,)), X, S)
    _with_ends(model, source)
    free, found = model(source, forcing="free", steps=9), model.greedy(source, max_steps=9)
    assert free.tokens.tolist() == found.tokens[:, 0].tolist()
    assert free.lengths.tolist() == found.lengths[:, 0].tolist()
    assert len(set(free.lengths.tolist())) > 1
    for b, length in enumerate(free.lengths.tolist()):
        written = free.tokens[b, :length].tolist()
        assert (2 in written) == (written[-1] == 2) == bool(found.ended[b, 0])
        assert length == 9 or written[-1] == 2
        # Whether it ran freely or is fed what it wrote: the same logits, and nothing beyond.
        forced = model(source[b : b + 1], free.tokens[b : b + 1, :length], target_lengths=[length])
        torch.testing.assert_close(free.logits[b, :length], forced.logits[0], **EXACT)
        final = [each[:, b] for each in free.final]
        torch.testing.assert_close(final, [each[:, 0] for each in forced.final], **EXACT)
        assert not free.logits[b, length:].any()


@pytest.mark.parametrize("name", ATTENTIONS)
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_what_a_beam_returns_is_what_teacher_forcing_gives_it(name, alpha) -> None:
    model = _model(ATTENTIONS[name])
    source = _pairs()[0]
    found = model.beam(source, beam_size=6, n_best=6, max_steps=5, length_penalty=alpha)
    for rank in range(6):
        tokens, lengths = found.tokens[:, rank], found.lengths[:, rank]
        forced = model(source, tokens, target_lengths=lengths)
        log_p = -nn.functional.cross_entropy(
            forced.logits.transpose(1, 2), tokens, reduction="none"
        )
        log_p = torch.where(forced.valid, log_p, 0.0).sum(1)
        torch.testing.assert_close(found.log_probability[:, rank], log_p, **EXACT)
        scores = log_p / ((5 + lengths.double()) / 6) ** alpha
        torch.testing.assert_close(found.scores[:, rank], scores, **EXACT)
        if name != "none":
            torch.testing.assert_close(found.weights[:, rank], forced.weights, **EXACT)
    assert (found.scores[:, :-1] >= found.scores[:, 1:]).all()


@pytest.mark.parametrize("name", ["none", "general", "feeding", "bahdanau"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("end", [2, None])
def test_a_beam_that_holds_everything_finds_the_best_sequence(name, alpha, end) -> None:
    tokens, longest = 4, 4
    options = {"attention": ATTENTIONS[name], "end": end, "padding": None}
    model = EncoderDecoder.of_tokens(X, tokens, H, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    source = torch.randint(X, (1, S))
    every = [
        y
        for length in range(1, longest + 1)
        for y in itertools.product(range(tokens), repeat=length)
        if end not in y[:-1] and (y[-1] == end or length == longest)
    ]
    lengths = torch.tensor([len(y) for y in every])
    padded = torch.tensor([y + (0,) * (longest - len(y)) for y in every])
    forced = model(source.expand(len(every), -1), padded, target_lengths=lengths)
    log_p = torch.log_softmax(forced.logits, -1).gather(2, padded[:, :, None])[:, :, 0]
    scores = torch.where(forced.valid, log_p, 0.0).sum(1) / ((5 + lengths.double()) / 6) ** alpha
    best = int(scores.argmax())
    found = model.beam(source, beam_size=256, length_penalty=alpha, max_steps=longest)
    assert tuple(found.tokens[0, 0, : found.lengths[0, 0]].tolist()) == every[best]
    torch.testing.assert_close(found.scores[0, 0], scores[best], **EXACT)


def test_a_search_needs_no_gradients_and_leaves_the_mode_as_it_was() -> None:
    model = _model("bahdanau", dropout=0.5)
    source, _ = _pairs()
    model.eval()
    expected = model.greedy(source, max_steps=5), model.beam(source, max_steps=5)
    model.train()
    model.encoder.eval()
    before = [module.training for module in model.modules()]
    found = model.greedy(source, max_steps=5), model.beam(source, max_steps=5)
    assert [module.training for module in model.modules()] == before
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.tokens.tolist() == theirs.tokens.tolist()
        torch.testing.assert_close(ours.scores, theirs.scores, rtol=0, atol=0)
        assert not ours.scores.requires_grad
    with pytest.raises(ValueError, match="beam_size"):
        model.beam(source, beam_size=0)
    assert [module.training for module in model.modules()] == before


def _layered(cell, sizes, read=5, **options) -> ur.nn.Recurrent:
    return ur.nn.Recurrent(cell, read, sizes, **options).double()


def test_a_bridge_is_its_equation_for_any_cells() -> None:
    """From two layers of LSTMs in two directions to three of GRUs, of all sizes."""
    source, target = _layered("lstm", [3, 4], bidirectional=True), _layered("gru", [2, 6, 5])
    bridge = Bridge(source, target).double()
    _, final = source(torch.randn(B, S, 5, dtype=torch.float64))
    found = bridge(final)
    # Aligned at the top: the lowest two layers of the decoder read the encoder's lowest.
    for layer, depth in enumerate([0, 0, 1]):
        (h, c), each = final[depth], bridge.maps[layer]
        for b in range(B):
            together = torch.cat([h[0, b], h[1, b], c[0, b], c[1, b]])
            expected = torch.tanh(each.weight @ together + each.bias)
            torch.testing.assert_close(found[layer][0, b], expected, **EXACT)
    linear = Bridge(_layered("gru", 3), _layered("lstm", 4), "identity").double()
    _, final = _layered("gru", 3)(torch.randn(B, S, 5, dtype=torch.float64))
    h, c = linear(final)
    both = final[0] @ linear.maps[0].weight.T + linear.maps[0].bias
    torch.testing.assert_close((h[0], c[0]), both.split(4, dim=1), **EXACT)


def test_a_cell_with_a_start_of_its_own_keeps_it_but_for_its_output() -> None:
    model = _model("luong", cell="slstm", num_layers=1)
    source, targets = _pairs()
    read = model.encoder(source)
    h, c, n, m = model.bridge(read.final)
    own = model.decoder.recurrent.cells[0].initial_state(B, dtype=torch.float64)
    torch.testing.assert_close([c[0], n[0], m[0]], list(own[1:]), rtol=0, atol=0)
    assert h.any()
    assert torch.isfinite(model(source, targets).logits).all()


def test_the_state_may_be_handed_on_as_it_is() -> None:
    """As Sutskever, Vinyals and Le do: both of one shape, nothing between them."""
    encoder = Encoder.of_tokens(X, H, bidirectional=False)
    decoder = Decoder.of_tokens(V, H, attention=None)
    model = EncoderDecoder(encoder, decoder, nn.Identity()).double()
    source, targets = _pairs()
    expected = decoder(targets, state=encoder(source).final)
    torch.testing.assert_close(model(source, targets).logits, expected.logits, rtol=0, atol=0)


class Patches(nn.Module):
    """An encoder of images: a memory of four patches, a state from their mean."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(4, 6)

    def forward(self, images, lengths=None):
        memory = torch.tanh(
            self.map(images.unfold(1, 2, 2).unfold(2, 2, 2).flatten(1, 2).flatten(2))
        )
        return Encoded(memory, lengths, memory.mean(1)[None])


def test_a_decoder_takes_the_memory_of_any_encoder() -> None:
    decoder = Decoder.of_tokens(V, 6, 6, cell="gru")
    model = EncoderDecoder(Patches(), decoder, nn.Identity()).double()
    images, targets = torch.randn(B, 4, 4, dtype=torch.float64), _pairs()[1]
    run = model(images, targets)
    memory = model.encoder(images).memory
    expected = decoder(targets, memory, memory.mean(1)[None])
    torch.testing.assert_close(run.logits, expected.logits, rtol=0, atol=0)
    assert list(run.weights.shape) == [B, T, 4]
    assert list(model.beam(images, n_best=2, max_steps=3).weights.shape[:2]) == [B, 2]


def test_an_encoder_reads_features_too() -> None:
    encoder = Encoder(_layered("gru", H, bidirectional=True))
    x = torch.randn(B, S, 5, dtype=torch.float64)
    read = encoder(x, SOURCE_LENGTHS)
    expected, final = encoder.recurrent(x, lengths=SOURCE_LENGTHS)
    torch.testing.assert_close((read.memory, read.final), (expected, final), rtol=0, atol=0)
    model = EncoderDecoder(encoder, Decoder.of_tokens(V, 3, 2 * H).double())
    targets = _pairs()[1]
    run = model(x, targets, source_lengths=SOURCE_LENGTHS)
    assert (run.weights[1, :, 2:] == 0).all()
    longer = torch.cat([x, torch.full((B, 2, 5), math.nan, dtype=torch.float64)], dim=1)
    other = model(longer, targets, source_lengths=SOURCE_LENGTHS)
    torch.testing.assert_close(other.logits, run.logits, **EXACT)


@pytest.mark.parametrize("size", [5, H])
def test_a_tied_embedding_reads_out(size) -> None:
    """With and without a map from what is read out to the embedding's size."""
    model = _model("luong", embedding_size=size, tied=True)
    source, targets = _pairs()
    decoder = model.decoder
    names = [n for n, p in model.named_parameters() if p.shape == (V, size)]
    assert names == ["decoder.embedding.weight"]
    seen = []
    decoder.readout.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits = model(source, targets).logits
    out = seen[0] if size == H else seen[0] @ decoder.readout.project.weight.T
    expected = out @ decoder.embedding.weight.T + decoder.readout.bias
    expected = expected.masked_fill(torch.arange(T)[:, None] >= TARGET_LENGTHS[:, None, None], 0)
    torch.testing.assert_close(logits, expected, **EXACT)


@pytest.mark.parametrize("tied", [True, False])
def test_copies_and_state_dicts_are_whole(tied) -> None:
    model, source_targets = _model("bahdanau", tied=tied, dropout=0.2).eval(), _pairs()
    expected = model(*source_targets).logits
    twin = copy.deepcopy(model)
    torch.testing.assert_close(twin(*source_targets).logits, expected, rtol=0, atol=0)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    torch.testing.assert_close(model(*source_targets).logits, expected, rtol=0, atol=0)
    fresh = _model("bahdanau", tied=tied, dropout=0.2).eval()
    stored = model.state_dict()
    # One name for each tensor, so that any file format can hold them.
    assert len({tensor.data_ptr() for tensor in stored.values()}) == len(stored)
    fresh.load_state_dict(stored)
    torch.testing.assert_close(fresh(*source_targets).logits, expected, rtol=0, atol=0)
    single = model.float()(*source_targets).logits
    assert single.dtype == torch.float32
    # float32 has 24 bits: a few roundings of 6e-8.
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_loss_is_the_mean_of_the_negative_log_likelihood() -> None:
    model = _model("luong")
    source, targets = _pairs()
    run = model(source, targets)
    logits = run.logits.detach()
    each = [
        -math.log(torch.softmax(logits[b, t], -1)[targets[b, t]])
        for b in range(B)
        for t in range(int(TARGET_LENGTHS[b]))
    ]
    torch.testing.assert_close(run.loss(targets).item(), sum(each) / len(each), **EXACT)


@pytest.mark.parametrize("attention", ["luong", "bahdanau"])
def test_it_learns_to_reverse_sequences(attention) -> None:
    """Held-out sequences of 2 to 6 of ten symbols; none of them is among those it learns from."""
    generator = torch.Generator().manual_seed(0)

    def pairs(count):
        lengths = torch.randint(2, 7, (count,), generator=generator)
        symbols = torch.randint(3, 13, (count, 6), generator=generator)
        time = torch.arange(6)
        source = symbols.masked_fill(time >= lengths[:, None], 0)
        mirrored = (lengths[:, None] - 1 - time).clamp(min=0)
        turned = source.gather(1, mirrored).masked_fill(time >= lengths[:, None], 0)
        turned = nn.functional.pad(turned, (0, 1)).scatter(1, lengths[:, None], 2)
        return source, turned

    torch.manual_seed(0)
    model = EncoderDecoder.of_tokens(13, 13, 32, cell="gru", attention=attention)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=300)
    source, targets = pairs(200)
    held_out = {tuple(x) for x in source.tolist()}
    for _ in range(300):
        x, y = pairs(64)
        new = torch.tensor([tuple(row) not in held_out for row in x.tolist()])
        optimiser.zero_grad()
        model(x[new], y[new]).loss(y[new]).backward()
        optimiser.step()
        rate.step()
    for found in (model.greedy(source, max_steps=10), model.beam(source, max_steps=10)):
        written = nn.functional.pad(found.tokens[:, 0], (0, 7))[:, :7]
        assert (written == targets).all(1).double().mean() > 0.95


GIVEN = (torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m(GIVEN[0]), ValueError, "targets are needed with forcing 'teacher'"),
        (lambda m: m(GIVEN[0], forcing="free"), ValueError, "steps is None"),
        (lambda m: m(*GIVEN, steps=3), ValueError, "steps is for free running without targets"),
        (lambda m: m(GIVEN[0], forcing="free", steps=0), ValueError, "steps must be a whole num"),
        (lambda m: m(*GIVEN, forcing="teachr"), ValueError, "forcing is 'teachr'; did you mean"),
        (lambda m: m(*GIVEN, forcing=0.5), TypeError, r"forcing must be .* got float"),
        (lambda m: m(GIVEN[0].float(), GIVEN[1]), ValueError, r"source must be whole numbers"),
        (lambda m: m(GIVEN[0] + X, GIVEN[1]), ValueError, "source must be tokens from 0 to 8"),
        (lambda m: m(GIVEN[0], GIVEN[1] - 2), ValueError, "targets must be tokens from 0 to 7"),
        (lambda m: m(GIVEN[0], GIVEN[1][:1]), ValueError, "memory has 2 sequences, targets have 1"),
        (lambda m: m(*GIVEN, source_lengths=[4, 1]), ValueError, "lengths of source must lie"),
        (lambda m: m(*GIVEN, target_lengths=[4]), ValueError, "lengths of targets must be 2"),
        (lambda m: m(*GIVEN).loss(GIVEN[0]), ValueError, r"targets must be \[2, 4\], got \[2, 3\]"),
        (lambda m: m.decoder(GIVEN[1]), ValueError, "memory is None; the attention needs one"),
        (lambda m: m.beam(GIVEN[0], n_best=9), ValueError, "n_best must be at most beam_size 5"),
        (lambda m: m.greedy(GIVEN[0], max_steps=0), ValueError, "max_steps must be"),
    ],
)
def test_bad_arguments_of_a_call_name_themselves(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call(EncoderDecoder.of_tokens(X, V, H))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: EncoderDecoder.of_tokens(X, V, H, attention="luon"), ValueError, "attention is"),
        (lambda: EncoderDecoder.of_tokens(X, V, H, cell="lstn"), ValueError, "cell is 'lstn'"),
        (lambda: EncoderDecoder.of_tokens(X, V, H, end=V), ValueError, "end must be a token from"),
        (lambda: EncoderDecoder.of_tokens(X, V, H, end=0), ValueError, "end and padding are both"),
        (lambda: EncoderDecoder.of_tokens(X, V, H, start=-1), ValueError, "start must be a token"),
        (lambda: EncoderDecoder.of_tokens(X, V, H, padding=X), ValueError, "padding must be a tok"),
        (lambda: EncoderDecoder.of_tokens(X, V, H, dropout=2), ValueError, "dropout must be"),
        (lambda: EncoderDecoder.of_tokens(0, V, H), ValueError, "num_tokens must be"),
        (lambda: Decoder.of_tokens(V, H), ValueError, "memory_size is None"),
        (lambda: Decoder.of_tokens(V, H, 3, attention=3), TypeError, "attention must be a name"),
        (
            lambda: Decoder(_layered("gru", H, bidirectional=True), nn.Embedding(V, 5)),
            ValueError,
            "recurrent must read in one direction",
        ),
        (
            lambda: Decoder(_layered("gru", H), nn.Embedding(V, 5), BahdanauAttention(H, 3)),
            ValueError,
            "recurrent must read 8 features, 3 of them of the attention, its input_size is 5",
        ),
        (
            lambda: Decoder(_layered("gru", H), nn.Embedding(V, 5), LuongAttention(3, 3)),
            ValueError,
            "attention must have query_size 4, the output of the cells, got 3",
        ),
        (lambda: Decoder(nn.GRU(5, 4), nn.Embedding(V, 5)), TypeError, "recurrent must be a Recu"),
        (lambda: Encoder(_layered("gru", H), nn.Embedding(V, 4)), ValueError, "recurrent must re"),
        (lambda: Encoder(nn.GRU(5, 4)), TypeError, "recurrent must be a Recurrent, got GRU"),
        (lambda: Encoder(_layered("gru", H))(torch.zeros(2, 3)), ValueError, "source must be"),
        (
            lambda: EncoderDecoder(Encoder.of_tokens(X, H), Decoder.of_tokens(V, H, 5)),
            ValueError,
            "decoder attends to a memory of 5 features, the encoder gives 8",
        ),
        (lambda: EncoderDecoder(nn.Identity(), Decoder.of_tokens(V, H, 5)), TypeError, "bridge is"),
        (lambda: EncoderDecoder(Encoder.of_tokens(X, H), nn.Identity()), TypeError, "decoder must"),
        (lambda: Scheduled(1.5), ValueError, "p must be a number from 0 to 1, got 1.5"),
        (lambda: Bridge(_layered("gru", 2), _layered("gru", 2), "relu"), ValueError, "activation"),
    ],
)
def test_parts_that_do_not_fit_are_refused(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
