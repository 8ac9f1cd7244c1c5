"""One fit of a forecaster: from a table and a split to a model in use.

The linear autoregressions are solved first; the network is built around them, set to its
start, and trained. Whoever listens is told of each step.

Shapes: N series.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ...data import SeriesSet
from ...nn import initialise
from ...training import History, Machine, TrainingSettings
from ..learning import Job, Listener, carry_out, name_of
from .baselines import LastValueNetwork, LearnedBaselines
from .fitted import Fitted, recent
from .frame import Frame, build_frame
from .linear import LONGEST_CONTEXT, CrossFitted, LinearFit, LinearPath
from .metrics import seasonal_scale
from .model import models_of, network_inputs
from .objective import Objective, Split, choose_linears
from .plan import (
    WAVES_OF_FEW,
    Architecture,
    Plan,
    chunking_for,
    dilations_for,
    kept_seasons,
    plan_for,
)
from .results import check_levels
from .scaling import Scaling, learn_scaling

if TYPE_CHECKING:
    from .forecaster import Forecaster


class Fit:
    """One fit: from a table to a `Fitted`, in the order of the methods."""

    def __init__(self, owner: Forecaster, data: SeriesSet, split: Split):
        self.owner, self.data, self.split = owner, data, split
        # First of all: with several processes it gives each its device.
        self.machine = Machine(owner.torch_device(), owner.optimisation.precision)
        self.device, self.season = self.machine.device, data.schema.season
        typical = float(np.median(split.ends))
        self.kept, self.chunking = kept_seasons(typical, self.season), chunking_for(self.season)
        self.scaling: Scaling = learn_scaling(data, split.train_ends, self.kept)
        self.frame: Frame = build_frame(data, self.scaling, owner.horizon, device=self.device)

    def run(self, listener: Listener) -> None:
        """Fit the linear parts, build the model, train it; leave the result in the owner."""
        objective, model = self.prepared()
        carry_out(self.owner, self._job(objective, model), listener)
        objective.calibrate(model)
        self._keep(model)

    def prepared(self) -> tuple[Objective, nn.Module]:
        """What training minimises, and the model at its start; the owner holds it, too."""
        owner = self.owner
        alone, linear = choose_linears(self.frame, self.split)
        owner.plan_ = self._plan()
        architecture = self._architecture(alone, linear)
        path = LinearPath(linear.form, linear.weights)
        model = architecture.build(owner.make_cell, path).to(self.device)
        for one in models_of(model):
            one.use(owner.engine)
        if owner.initialisation is not None:
            initialise(model, owner.initialisation)
        crossed = CrossFitted(linear, self.split.train_ends, self.device)
        first = self._first(architecture)
        targets = [series.target for series in self.data]
        objective = Objective(
            self.frame,
            self.split,
            crossed,
            architecture.chunking,
            first,
            targets,
            owner.chosen_forcing(),
            self._label,
        )
        objective.start_from_mix(model, owner.seed)
        owner.history_ = History()
        owner.fitted_ = self._fitted(architecture, model, alone)
        return objective, model

    def _label(self, series: int, step: int) -> str:
        """A step of a series, as its table calls it."""
        one = self.data[series]
        time = one.times(max(0, step), 1)[0]
        return f"{one.name} up to {self.data.schema.frequency.label(time)}"

    def _plan(self) -> Plan:
        plan = plan_for(self.data)
        asked = {name: getattr(self.owner, name) for name in Plan.__dataclass_fields__}
        return replace(plan, **{name: v for name, v in asked.items() if v is not None})

    def _architecture(self, alone: LinearFit, linear: LinearFit) -> Architecture:
        owner, plan = self.owner, self.owner.plan_
        zero = torch.zeros(1, dtype=torch.long, device=self.device)
        return Architecture(
            cell=name_of(owner.cell),
            input_size=network_inputs(self.frame, zero, zero).shape[-1],
            ahead_size=self.frame.ahead.shape[-1],
            hidden_size=plan.hidden_size,
            dilations=dilations_for(self.season, plan.num_layers),
            dropout=plan.dropout,
            decoder=owner.decoder,
            waves=owner.horizon if self.scaling.local else min(WAVES_OF_FEW, owner.horizon),
            horizon=owner.horizon,
            # A few long series are best forecast by the linear path, if it spans a season.
            seasons=self.kept if self.scaling.local or self.season >= LONGEST_CONTEXT else 0,
            levels=check_levels(owner.quantiles),
            linear=linear.form,
            baseline=alone.form,
            chunking=self.chunking,
            members=plan.members,
        )

    def _first(self, architecture: Architecture) -> int:
        """Position from which steps are scored: before it, candidates repeat the first value."""
        reach = max(self.kept * self.season, 2)
        if not self.scaling.local:
            reach = max(reach, architecture.linear.context)
        return int(max(0, min(reach, self.split.train_ends.min() - self.owner.horizon - 1)))

    def _fitted(self, architecture: Architecture, model: nn.Module, alone: LinearFit) -> Fitted:
        owner, data = self.owner, self.data
        feed_forward = LastValueNetwork(owner.horizon).to(self.device)
        feed_forward.fit(self.frame, self.split.train_ends, owner.seed)
        return Fitted(
            schema=data.schema,
            scaling=self.scaling,
            architecture=architecture,
            model=model,
            baselines=LearnedBaselines(LinearPath(alone.form, alone.weights), feed_forward),
            seasonal_scales={s.name: seasonal_scale(s.target, self.season) for s in data},
            trained_until={s.name: str(s.times(s.n, 1)[0]) for s in data},
            history=recent(data, architecture, self.scaling),
        )

    def _job(self, objective: Objective, model: nn.Module) -> Job:
        owner, plan = self.owner, self.owner.plan_
        epochs = min(owner.epochs, plan.updates)
        settings = TrainingSettings(
            epochs=epochs,
            updates=max(1, plan.updates // epochs),
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            patience=owner.patience,
            optimisation=owner.optimisation,
        )
        part = (self.machine.rank, self.machine.processes)
        return Job(
            model=model,
            loss=objective.loss,
            batches=objective.batches(owner.batch_size, owner.seed, part),
            validate=objective.validate,
            settings=settings,
            keep=self._keep,
            machine=self.machine,
            decides="decides",
            carried={"objective": objective},
        )

    def _keep(self, model: nn.Module) -> None:
        self.owner.fitted_ = replace(self.owner.fitted_, model=model)
