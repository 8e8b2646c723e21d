import { type RoutingStrategy, ranked } from '../strategy.ts';
import { byLoad, specialistsByLoad } from './rankings.ts';

/** The least loaded of those that are specialised in the kind of the work, else of all. */
export const contentBased: RoutingStrategy = {
  name: 'content_based',
  version: 1,
  choose: (request) => {
    const { specialisation } = request.task;
    const specialists = specialisation === undefined ? [] : ranked(specialistsByLoad, request, specialisation);
    return { best: specialists.length > 0 ? specialists : ranked(byLoad, request) };
  },
};
