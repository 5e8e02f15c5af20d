import { after, before } from 'node:test';
import { executorCases } from './cases/colony-executors.ts';
import { colonyCases, lifeCases, registrationCases } from './cases/colony-life.ts';
import { ColonyStage } from './support/colony-stage.ts';

// Against the fake colony, or with `npm run test:colony` against a real one.
const stage = new ColonyStage('col');

before(() => stage.open());
after(() => stage.close());

registrationCases(stage);
lifeCases(stage);
executorCases(stage);
colonyCases(stage);
